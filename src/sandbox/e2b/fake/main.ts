/** The fake E2B as a process of its own: `--port N`, default any free one. A TEST STAND-IN, see server.ts. */

import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startFakeE2b } from './server.ts'

const { values } = parseArgs({ options: { port: { type: 'string' } } })
const apiKey = `e2b_${randomBytes(20).toString('hex')}`
const fake = await startFakeE2b({
  dir: mkdtempSync(path.join(tmpdir(), 'keelson-fake-e2b-')),
  bwrapPath: '/usr/bin/bwrap',
  nodePath: process.execPath,
  apiKey,
  port: Number(values.port ?? 0),
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void fake.close())
process.stdout.write(`${JSON.stringify({ url: fake.url, apiKey, note: 'a test stand-in without isolation' })}\n`)
