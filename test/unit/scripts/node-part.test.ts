import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startNode } from '../../../scripts/lib/node-part.mjs'
import { openLedger } from '../../../scripts/lib/process-ledger.mjs'

it('a part has few allocation arenas, or as many as its owner says', async () => {
  const home = mkdtempSync(join(tmpdir(), 'keelson-part-'))
  mkdirSync(join(home, 'logs'))
  const context = { home, ledger: openLedger(home) }
  const print = ['-e', 'console.log(process.env.MALLOC_ARENA_MAX)']
  for (const [name, env] of [
    ['ours', {}],
    ['theirs', { MALLOC_ARENA_MAX: '7' }],
  ] as const) {
    const part = await startNode(context, name, print, env)
    await part.exited
  }
  const said = ['ours', 'theirs'].map((name) => readFileSync(join(home, 'logs', `${name}.log`), 'utf8').trim())
  rmSync(home, { recursive: true })
  expect(said).toEqual(['2', '7'])
})
