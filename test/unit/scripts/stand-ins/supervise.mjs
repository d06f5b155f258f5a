import { SILENT } from '../../../../scripts/lib/log.mjs'
import { startStack } from '../../../../scripts/lib/supervisor.mjs'
import { STAND_INS } from './entries.mjs'

/** A supervisor in a process of its own, so that a test can kill it: `supervise.mjs <home> <redis> <temporal>`. */
const [home = '', redis = '', temporal = ''] = process.argv.slice(2)
const settings = { PATH: process.env['PATH'] }
const stack = await startStack({ home, settings, binaries: { redis, temporal }, log: SILENT, entries: STAND_INS })
process.stdout.write('up\n')
process.once('SIGTERM', () => void stack.stop().then(() => process.exit(0)))
