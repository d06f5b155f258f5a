import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

writeFileSync(join(process.env['KEELSON_HOME'] ?? '', 'worker-env.json'), JSON.stringify(process.env))
process.stdout.write(`${JSON.stringify({ level: 30, msg: 'worker ready' })}\n`)
const timer = setInterval(() => undefined, 1_000)
process.once('SIGTERM', () => clearInterval(timer))
