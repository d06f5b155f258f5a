import { readLog } from './child.mjs'
import { startNode } from './node-part.mjs'
import { identify } from './process-identity.mjs'
import { lastLines } from './run-command.mjs'
import { StartError } from './start-error.mjs'
import { isGoneWithin } from './stop-process.mjs'

const TIME_LIMIT_MS = 120_000

/**
 * Brings the database to the current schema by our own program. Safe to repeat.
 *
 * @param {{ home: string, ledger: import('./process-ledger.mjs').ProcessLedger }} context
 * @param {readonly string[]} args of `node`
 * @param {NodeJS.ProcessEnv} env
 */
export async function migrate(context, args, env) {
  const child = await startNode(context, 'migrate', args, env)
  const identity = identify(child.pid)
  if (identity !== undefined) await isGoneWithin(identity, TIME_LIMIT_MS)
  await child.stop()
  const ending = await child.exited
  if (ending === 'exit code 0') return
  throw new StartError(`The database could not be migrated (${ending}).`, { detail: lastLines(readLog(child)) })
}
