/**
 * `npm run demo`: starts everything, unless it runs already, and plays the sample task in the terminal. Exit code 0 only
 * when the change was approved. Stops what it started, unless `--keep`, which goes on until Ctrl-C.
 */
import './lib/node-version.mjs'
import { bootstrap } from './lib/bootstrap.mjs'
import { runChat } from './lib/chat.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { aborted, orAborted, runScript } from './lib/run-script.mjs'
import { readRunningState } from './lib/state.mjs'
import { startStack } from './lib/supervisor.mjs'
import { welcome } from './lib/welcome.mjs'

const SAMPLE_REQUEST = 'The tests fail. Find out why, fix it, and make sure that the tests pass.'

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  const home = homeOf(settings)
  const words = process.argv.slice(2).filter((word) => word !== '--keep')
  const keep = process.argv.includes('--keep')
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const running = readRunningState(home)
  const stack = running === undefined ? await startStack({ home, settings, binaries, log, signal }) : undefined
  log.info(
    stack === undefined ? `Using the instance that runs at ${running?.url}` : `Keelson runs at ${stack.state().url}`,
  )
  try {
    const args = words.length === 0 ? ['--sample', '--expect', 'approved', SAMPLE_REQUEST] : words
    const code = await runChat({ home, settings, args, signal })
    if (keep && stack !== undefined && !signal.aborted) {
      process.stdout.write(welcome(stack, home))
      await aborted(signal)
    }
    return code
  } finally {
    if (stack !== undefined) {
      log.info(keep ? 'Stopping …' : 'Stopping what this started … (--keep would leave it running)')
      await stack.stop()
    }
  }
})
