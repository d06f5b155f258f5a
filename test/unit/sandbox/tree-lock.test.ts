import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { loadStatCache, type StatCache, saveStatCache } from '../../../src/sandbox/local-bwrap/stat-cache.ts'
import { beginGeneration, readGeneration } from '../../../src/sandbox/local-bwrap/store-generation.ts'
import { inTurn } from '../../../src/sandbox/local-bwrap/tree-lock.ts'

const HOLDER = fileURLToPath(new URL('./turn-holder.ts', import.meta.url))
const made: string[] = []
const ends: (() => void)[] = []

function aDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'keelson-turns-'))
  made.push(directory)
  return directory
}

afterEach(() => {
  for (const end of ends.splice(0)) end()
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true })
})

/** A process that holds a turn for each pair, and the lines that it prints. */
async function holderOf(...turns: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLDER, ...turns], { stdio: ['pipe', 'pipe', 'inherit'] })
  ends.push(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return { child, next: async () => String((await lines.next()).value) }
}

test('a frozen process that only looked gives up its turn, finds out when it wakes, and takes nobody else’s', async () => {
  const [looked, changed] = [aDirectory(), aDirectory()]
  const holder = await holderOf('looking', looked, 'changing', changed)
  holder.child.kill('SIGSTOP')
  const order: string[] = []
  const later = inTurn(changed, async () => void order.push('changed'))
  const wakes = await inTurn(looked, async () => {
    order.push('looked')
    holder.child.kill('SIGCONT')
    holder.child.stdin.write('\n')
    const said = await holder.next()
    return { said, left: readdirSync(looked) }
  })
  await later
  expect({ order, wakes, left: [readdirSync(looked), readdirSync(changed)] }).toEqual({
    order: ['looked', 'changed'],
    wakes: { said: 'sandbox_busy done', left: ['keelson.lock'] },
    left: [[], []],
  })
}, 30_000)

test('what a process knew of the files before objects were removed is not believed after that', async () => {
  const directory = aDirectory()
  const cache: StatCache = new Map([
    ['', { own: [1, 2, 3], names: ['a'], stats: new Float64Array(4), hashes: ['h'], modes: ['100644'], tree: 't' }],
  ])
  const before = readGeneration(directory)
  saveStatCache(directory, cache, before)
  const known = await loadStatCache(directory)
  const after = beginGeneration(directory)
  saveStatCache(directory, cache, before)
  const late = await loadStatCache(directory)
  saveStatCache(directory, cache, after)
  expect([known, late, await loadStatCache(directory)]).toEqual([cache, new Map(), cache])
})
