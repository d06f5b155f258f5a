import { join } from 'node:path'
import { startChild } from './child.mjs'

/**
 * glibc gives each thread that allocates an arena, and what was freed in one stays there. Two are enough where nearly all
 * work is on one thread: a worker with 50 tasks at once was 380 MiB in place of 436, at the same CPU. A setting of one's own
 * stands.
 */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2' }

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
    env: { ...ALLOCATOR, ...env },
    cwd: context.home,
    logFile: join(context.home, 'logs', `${name}.log`),
    ledger: context.ledger,
  })
}
