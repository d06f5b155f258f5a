import { join } from 'node:path'
import { startChild } from './child.mjs'

/**
 * Starts one of our own programs, without waiting for it to be ready.
 *
 * @param {{ home: string, ledger: import('./process-ledger.mjs').ProcessLedger }} context
 * @param {string} name
 * @param {readonly string[]} args of `node`
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<import('./child.mjs').Child>}
 */
export function startNode(context, name, args, env) {
  return startChild({
    name,
    command: process.execPath,
    args,
    env,
    cwd: context.home,
    logFile: join(context.home, 'logs', `${name}.log`),
    ledger: context.ledger,
  })
}
