import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stopProcess } from './stop-process.mjs'

/**
 * Ends the process that holds the sandboxes' commands, and with it the commands. Only a clean stop of the whole instance
 * does this: a worker's end leaves it running, since the next worker goes on with its commands.
 *
 * @param {string} home
 * @returns {Promise<void>}
 */
export async function stopSandboxRunner(home) {
  const runner = readRunner(join(home, 'sandboxes', 'runner.json'))
  if (runner !== undefined) await stopProcess(runner, 'sandbox runner')
}

/**
 * @param {string} file
 * @returns {import('./process-identity.mjs').ProcessIdentity | undefined} undefined when no runner was ever started
 */
function readRunner(file) {
  try {
    const { pid, start } = JSON.parse(readFileSync(file, 'utf8'))
    return typeof pid === 'number' && typeof start === 'string' ? { pid, start } : undefined
  } catch {
    return undefined
  }
}
