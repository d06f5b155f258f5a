import { bootstrap } from './bootstrap.mjs'
import { refuseForeignHome } from './home-owner.mjs'
import { createLog } from './log.mjs'
import { ROOT } from './paths.mjs'
import { aborted, orAborted } from './run-script.mjs'
import { StartError } from './start-error.mjs'
import { readRunningState } from './state.mjs'
import { startStack } from './supervisor.mjs'
import { typed } from './typed.mjs'
import { welcome } from './welcome.mjs'

/**
 * Gets what is missing, starts everything, says where it is (with `json`: one object on standard output) and keeps it
 * running until the signal. Rejects with a StartError when something runs from this home already or a part cannot start.
 *
 * @param {{ home: string, settings: NodeJS.ProcessEnv, json: boolean, signal: AbortSignal }} options
 * @returns {Promise<number>} exit code
 */
export async function startInstance({ home, settings, json, signal }) {
  const log = createLog()
  refuseForeignHome(home)
  const running = readRunningState(home)
  if (running !== undefined) {
    throw new StartError(
      `Keelson is running already at ${running.url} (process ${running.processes.supervisor}); "${typed('stop')}" stops it.`,
    )
  }
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const stack = await startStack({ home, settings, binaries, log, signal })
  const { url, processes, model } = stack.state()
  const facts = { running: true, url, setupUrl: stack.setupUrl, home, model, processes }
  process.stdout.write(json ? `${JSON.stringify(facts)}\n` : welcome(stack, home))
  await aborted(signal)
  log.info('Stopping …')
  await stack.stop()
  log.info('Stopped. The next start finds everything again.')
  return 0
}
