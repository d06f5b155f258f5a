/** `npm start`: gets what is missing, starts everything and keeps it running until Ctrl-C. */
import './lib/node-version.mjs'
import { bootstrap } from './lib/bootstrap.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { aborted, orAborted, runScript } from './lib/run-script.mjs'
import { StartError } from './lib/start-error.mjs'
import { readRunningState } from './lib/state.mjs'
import { startStack } from './lib/supervisor.mjs'
import { welcome } from './lib/welcome.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  const home = homeOf(settings)
  const running = readRunningState(home)
  if (running !== undefined) {
    throw new StartError(
      `Keelson is running already at ${running.url} (process ${running.processes.supervisor}); "npm run stop" stops it.`,
    )
  }
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const stack = await startStack({ home, settings, binaries, log, signal })
  process.stdout.write(welcome(stack, home))
  await aborted(signal)
  log.info('Stopping …')
  await stack.stop()
  log.info('Stopped. The next start finds everything again.')
  return 0
})
