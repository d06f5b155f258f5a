import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareTrees } from '../../../src/sandbox/local-bwrap/compare-trees.ts'
import { toBytes, toShown } from '../../../src/sandbox/local-bwrap/descriptors.ts'
import { describeChanges, type LineCount } from '../../../src/sandbox/local-bwrap/list-changes.ts'
import { createObjectStore, type ObjectStore } from '../../../src/sandbox/local-bwrap/objects.ts'
import { countLinesByGit, initShadow } from '../../../src/sandbox/local-bwrap/shadow-git.ts'
import type { FileChange } from '../../../src/sandbox/types.ts'

let gitDir: string
let store: ObjectStore
beforeAll(() => {
  gitDir = path.join(mkdtempSync(path.join(tmpdir(), 'keelson-counts-')), 'git')
  mkdirSync(gitDir)
  initShadow(gitDir)
  store = createObjectStore(gitDir, () => undefined)
})
afterAll(() => rmSync(path.dirname(gitDir), { recursive: true, force: true }))

interface File {
  readonly mode: string
  readonly data: Buffer
}

async function treeOf(files: ReadonlyMap<string, File>): Promise<string> {
  const entries = [...files].map(async ([name, { mode, data }]) => ({ mode, name, hash: await store.putBlob(data) }))
  return await store.putTree(await Promise.all(entries))
}

/** As git itself tells two trees apart, renames off. Without `--minimal` it may count a few lines of small files more than differ. */
function byGit(from: string, to: string): FileChange[] {
  const args = ['diff', '--no-renames', '--minimal', '--raw', '--numstat', '-z', from, to]
  const { stdout } = spawnSync('git', args, { env: { ...process.env, GIT_DIR: gitDir }, maxBuffer: 1 << 28 })
  const kinds = new Map<string, FileChange['kind']>()
  const counts = new Map<string, LineCount>()
  const fields = stdout.toString('latin1').split('\0')
  for (let at = 0; at < fields.length; at++) {
    const field = fields[at] ?? ''
    if (field.startsWith(':')) {
      const letter = field.slice(field.lastIndexOf(' ') + 1).charAt(0)
      kinds.set(fields[++at] ?? '', letter === 'A' ? 'create' : letter === 'D' ? 'delete' : 'modify')
      continue
    }
    const [added, removed, ...name] = field.split('\t')
    if (added === undefined || removed === undefined) continue
    const binary = added === '-'
    counts.set(name.join('\t'), { added: binary ? 0 : Number(added), removed: binary ? 0 : Number(removed), binary })
  }
  const known = [...counts].map(([name, count]) => ({
    ...{ path: toShown(name), kind: kinds.get(name) ?? 'modify' },
    ...count,
  }))
  return known.sort((a, b) => (a.path < b.path ? -1 : 1))
}

const asFew = (changes: readonly FileChange[]) => [...changes].sort((a, b) => (a.path < b.path ? -1 : 1))

const line = fc.oneof(
  fc.constantFrom('', '}', '  return null', 'import x from y', 'tab\there', 'end\r'),
  fc.nat(30).map((n) => `line ${n}`),
)
const text = fc
  .tuple(fc.array(line, { maxLength: 40 }), fc.constantFrom('', '\n', '\r\n'))
  .map(([lines, end]) => Buffer.from(lines.join('\n') + (lines.length > 0 ? end : ''), 'utf8'))
const content = fc.oneof(
  { weight: 8, arbitrary: text },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
)
const name = fc.constantFrom('a.txt', 'b c.txt', 'tab\tname', 'caf\xc3\xa9', 'byte-\xff', '-dash', 'z.bin')
const file = fc.record({ mode: fc.constantFrom('100644', '100755', '120000'), data: content })

test('changes are those that git tells, with its counts', async () => {
  const files = fc.uniqueArray(fc.tuple(name, file, file, fc.nat(5)), { selector: ([each]) => each, minLength: 1 })
  await fc.assert(
    fc.asyncProperty(files, async (all) => {
      // 0: only before, 1: only after, else in both.
      const side = (absent: number, at: 1 | 2) =>
        new Map(all.filter((each) => each[3] !== absent).map((each) => [each[0], each[at]]))
      const [from, to] = [await treeOf(side(1, 1)), await treeOf(side(0, 2))]
      const changes = await compareTrees(store, from, to)
      const told = byGit(from, to)
      // On a busy machine a count may take too long for this process; git is asked then.
      const counts = new Map(told.map((change) => [toBytes(change.path), change]))
      const described = await describeChanges(store, changes, () => Promise.resolve(counts))
      expect(asFew(described)).toEqual(told)
    }),
    { numRuns: 150 },
  )
})

test('an edit in a large file is counted here too; a rewrite of it by git', async () => {
  const lines = Array.from({ length: 40_000 }, (_, at) => `line ${at} of a file that is large`)
  const edited = lines.with(17, 'another').toSpliced(39_000, 3, 'one for three')
  const before = await treeOf(new Map([['large.txt', { mode: '100644', data: Buffer.from(lines.join('\n')) }]]))
  const asked: string[] = []
  const told = async (after: readonly string[]) => {
    const to = await treeOf(new Map([['large.txt', { mode: '100644', data: Buffer.from(after.join('\n')) }]]))
    const countByGit = () => {
      asked.push(to)
      return countLinesByGit(gitDir, before, to)
    }
    const described = await describeChanges(store, await compareTrees(store, before, to), countByGit)
    expect(described).toEqual(byGit(before, to))
    return described[0]
  }
  expect(await told(lines.with(17, 'another'))).toMatchObject({ added: 1, removed: 1 })
  expect(asked).toEqual([])
  expect(await told(edited)).toMatchObject({ added: 2, removed: 4 })
  expect(await told(lines.map((each) => `${each}!`))).toMatchObject({ added: 40_000, removed: 40_000 })
  expect(asked).toHaveLength(2)
})
