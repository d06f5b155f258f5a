import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

const MAX_LOG_BYTES = 20 * 1024 * 1024

/**
 * Keeps the logs of a home directory bounded: one that has grown over 20 MiB becomes `<name>.log.1`, replacing the one
 * before, and begins anew. Its writer goes on undisturbed, since it appends.
 *
 * @param {string} home
 * @param {number} [maxBytes]
 */
export function rotateLogs(home, maxBytes = MAX_LOG_BYTES) {
  const directory = join(home, 'logs')
  for (const name of readdirSync(directory)) {
    const file = join(directory, name)
    if (!name.endsWith('.log') || statSync(file).size <= maxBytes) continue
    copyFileSync(file, `${file}.1`)
    truncateSync(file, 0)
  }
}
