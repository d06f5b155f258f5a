import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stopProcess } from './stop-process.mjs'

/**
 * Ends the processes that hold the sandboxes' commands, and with them the commands. Only a clean stop of the whole instance
 * does this: a worker's end leaves it running, since the next worker goes on with its commands.
 *
 * @param {string} home
 * @returns {Promise<void>}
 */
export async function stopSandboxRunner(home) {
  const sandboxes = join(home, 'sandboxes')
  // The first file is what earlier versions wrote.
  const files = [join(sandboxes, 'runner.json'), ...runnerFiles(join(sandboxes, 'runners'))]
  const runners = files.map(readRunner).filter((runner) => runner !== undefined)
  await Promise.all(runners.map((runner) => stopProcess(runner, 'sandbox runner')))
}

/**
 * @param {string} dir with a file for each runner: a change of settings or of the version starts another one
 * @returns {string[]}
 */
function runnerFiles(dir) {
  if (!existsSync(dir)) return []
  return readdirSync(dir)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(dir, name))
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
