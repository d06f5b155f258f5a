import { appendFileSync, chmodSync, closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import type { NetworkDenial } from '../shared/network.ts'
import { replaceInOneStep } from './gateway-files.ts'

const MAX_LOG_BYTES = 256 * 1024
const KEPT_BYTES = 64 * 1024
/** Writes down what was refused to one sandbox; the oldest goes when it is too much. */
export function createDeniedLog(file: string): (denial: NetworkDenial) => void {
  return (denial) => {
    if (existsSync(file) && statSync(file).size > MAX_LOG_BYTES) {
      const text = readFileSync(file, 'utf8').slice(-KEPT_BYTES)
      replaceInOneStep(file, text.slice(text.indexOf('\n') + 1), 0o644)
    }
    const isNew = !existsSync(file)
    appendFileSync(file, `${JSON.stringify(denial)}\n`, { mode: 0o644 })
    // Commands' runner reads it under another uid; the umask would keep it out.
    if (isNew) chmodSync(file, 0o644)
  }
}

/** What was refused from `since` (milliseconds since the epoch) on, oldest first; reads a bounded part of the log. */
export function readDenied(file: string, since: number): NetworkDenial[] {
  if (!existsSync(file)) return []
  const fd = openSync(file, 'r')
  try {
    const sizeBytes = statSync(file).size
    const start = Math.max(0, sizeBytes - KEPT_BYTES)
    const data = Buffer.alloc(sizeBytes - start)
    const text = data.toString('utf8', 0, readSync(fd, data, 0, data.length, start))
    const lines = text.split('\n').slice(start > 0 ? 1 : 0, -1)
    return lines.map((line) => JSON.parse(line) as NetworkDenial).filter((denial) => denial.at >= since)
  } finally {
    closeSync(fd)
  }
}
