import { BUILT_ENTRIES } from '../../../../scripts/lib/entries.mjs'
import { SILENT } from '../../../../scripts/lib/log.mjs'
import { startStack } from '../../../../scripts/lib/supervisor.mjs'
import { STAND_INS } from './entries.mjs'

/**
 * A supervisor in a process of its own, so that a test can kill it or start it on a changed host: `supervise.mjs <home>
 * <redis> <temporal> [built]`, with stand-ins for its parts or, when asked, with the built ones.
 */
const [home = '', redis = '', temporal = '', kind] = process.argv.slice(2)
const settings = { PATH: process.env['PATH'], KEELSON_REGISTRIES: '=' }
const entries = kind === 'built' ? BUILT_ENTRIES : STAND_INS
const stack = await startStack({ home, settings, binaries: { redis, temporal }, log: SILENT, entries })
process.stdout.write('up\n')
process.once('SIGTERM', () => void stack.stop().then(() => process.exit(0)))
