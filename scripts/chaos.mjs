/**
 * `npm run chaos -- [--kills N] [--seed N] [--tasks N] [--projects N] [--extra-workers N]`: starts a private instance,
 * kills its parts again and again while tasks run, and judges what came of it. `-- --stores [--away-seconds N] [--rows
 * a,b]` takes the stores away instead, alone and two at once; `-- --figures [--samples N]` measures cancels and resumes.
 * Exit code 1 when anything was lost or done twice. The home directory of a run that failed is kept and named.
 */
import './lib/node-version.mjs'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './lib/bootstrap.mjs'
import { withoutModel } from './lib/child-env.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { makePrivateHome } from './lib/private-home.mjs'
import { runForeground } from './lib/run-foreground.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { withoutStores } from './lib/test-env.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const home = homeOf(readSettings(process.env))
  const settings = withoutModel(withoutStores(process.env))
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const privateHome = await makePrivateHome(join(home, 'chaos'), log)
  const code = await runForeground(
    process.execPath,
    ['--import', 'tsx', join(ROOT, 'test', 'chaos', 'main.ts'), ...process.argv.slice(2)],
    {
      cwd: ROOT,
      env: {
        ...settings,
        KEELSON_CHAOS_HOME: join(privateHome, 'stack'),
        KEELSON_TEST_REDIS_BINARY: binaries.redis,
        KEELSON_TEST_TEMPORAL_BINARY: binaries.temporal,
      },
      signal,
    },
  )
  if (code === 0) rmSync(privateHome, { recursive: true, force: true })
  else log.warn(`What the run left lies in ${privateHome}`)
  return code
})
