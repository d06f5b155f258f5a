/** `npm run bench`: starts a private instance, runs `bench/run.ts` against it with the arguments given here, stops it. */
import './lib/node-version.mjs'
import { join } from 'node:path'
import { bootstrap } from './lib/bootstrap.mjs'
import { ensureBrowser } from './lib/browser.mjs'
import { withoutModel } from './lib/child-env.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { makePrivateHome } from './lib/private-home.mjs'
import { runForeground } from './lib/run-foreground.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { startStack } from './lib/supervisor.mjs'
import { withoutStores } from './lib/test-env.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const home = homeOf(readSettings(process.env))
  // Figures are comparable only with the scripted model: no key reaches the private instance.
  const settings = withoutModel(withoutStores(process.env))
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const browser = process.argv.includes('page') ? await orAborted(signal, ensureBrowser(settings, log)) : undefined
  const privateHome = await makePrivateHome(join(home, 'bench'), log)
  const stack = await startStack({ home: privateHome, settings, binaries, log, signal })
  try {
    const { url, apiToken, databaseUrl, redisUrl, temporal, model } = stack.state()
    return await runForeground(
      process.execPath,
      ['--import', 'tsx', join(ROOT, 'bench', 'run.ts'), ...process.argv.slice(2)],
      {
        cwd: ROOT,
        env: {
          ...settings,
          KEELSON_HOME: privateHome,
          KEELSON_URL: url,
          KEELSON_API_TOKEN: apiToken,
          KEELSON_SETUP_URL: stack.setupUrl,
          KEELSON_TEST_BROWSER: browser,
          DATABASE_URL: databaseUrl,
          REDIS_URL: redisUrl,
          TEMPORAL_ADDRESS: temporal.address,
          TEMPORAL_NAMESPACE: temporal.namespace,
          ANTHROPIC_BASE_URL: model.baseUrl,
        },
        signal,
      },
    )
  } finally {
    await stack.stop()
  }
})
