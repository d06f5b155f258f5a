/**
 * The scripted model server as the tests run it: plays a list where the message holds one, the demonstration otherwise,
 * and keeps the bodies of its requests. A process of its own: `node --import tsx scripted-model.ts --port N --host H`.
 */

import { parseArgs } from 'node:util'
import { POLICIES } from '../../src/standin/policies/index.ts'
import { startScriptedServer } from '../../src/standin/server.ts'

const KEPT_BODIES = 500

const { values } = parseArgs({ options: { port: { type: 'string' }, host: { type: 'string' } } })
const server = await startScriptedServer({
  port: Number(values.port ?? 0),
  host: values.host ?? '127.0.0.1',
  keepBodies: KEPT_BODIES,
  policy: (view) => {
    const isList = view.texts.some((seen) => seen.raw.includes('script:'))
    return isList ? POLICIES.list(view) : POLICIES.demo(view)
  },
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close())
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
