/**
 * A small repository of ours, in a directory that is removed afterwards, which holds both sides of a change and nothing
 * else: git makes the difference there, and says what its ignore files say, without ever looking at a project's own git.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GitChanges, GitFile } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { runOwnGit } from './own-git.ts'

/** Content of both sides; more is no patch that anybody reads. */
const MAX_CONTENT_BYTES = 64 * 1024 * 1024
const MAX_DIFF_BYTES = 128 * 1024 * 1024
const MAX_LIST_BYTES = 32 * 1024 * 1024
const TIMEOUT_MS = 60_000
const SIDES = ['from', 'to'] as const
type Side = (typeof SIDES)[number]

/**
 * A repository in the host’s /tmp with both sides of a change as trees and nothing of the project’s git but its
 * ignore files. Each call throws what `runOwnGit` does and may be repeated; `remove` ends it.
 */
export interface ScratchRepository {
  /** Paths, in bytes as latin1, that the ignore files name. */
  ignored(): Promise<ReadonlySet<string>>
  /** Unified diff with binaries and whole hashes, and its table of files; both empty when nothing is left. */
  diff(leaveOut: ReadonlySet<string>): Promise<{ patch: Buffer; stat: Buffer }>
  remove(): Promise<void>
}

/**
 * Makes it out of a change. Whoever gets it removes it. Throws `body_too_large` beyond 64 MiB of content and what reading
 * the files throws; nothing is left then.
 */
export async function openScratchRepository(change: GitChanges): Promise<ScratchRepository> {
  const dir = await mkdtemp(join(tmpdir(), 'keelson-patch-'))
  const remove = () => rm(dir, { recursive: true, force: true })
  const gitDir = join(dir, 'git')
  const workTree = join(dir, 'empty')
  const git = async (args: readonly string[], input?: Iterable<Uint8Array>, index?: string): Promise<Buffer> =>
    await runOwnGit(args, {
      gitDir,
      ...(input === undefined ? {} : { input }),
      env: { GIT_WORK_TREE: workTree, ...(index === undefined ? {} : { GIT_INDEX_FILE: join(dir, index) }) },
      maxBytes: MAX_DIFF_BYTES,
      timeoutMs: TIMEOUT_MS,
    })
  const listOf = async (name: string): Promise<string[]> =>
    (await git(['ls-tree', '-r', '-z', '--full-tree', `refs/keelson/${name}`]))
      .toString('latin1')
      .split('\0')
      .filter((line) => line !== '')
  try {
    await mkdir(workTree)
    await makeBare(gitDir)
    await runOwnGit(['fast-import', '--quiet', '--done', '--date-format=raw'], {
      gitDir,
      input: importStream(change),
      maxBytes: MAX_LIST_BYTES,
      timeoutMs: TIMEOUT_MS,
    })
  } catch (error) {
    await remove()
    throw error
  }

  /** What the rules of `to` say of one side's paths; rules that the other side alone has do not count. */
  const ignoredOf = async (side: Side, rules: readonly string[]): Promise<string[]> => {
    const own = (await listOf(side)).filter((line) => !/\t(.*\/)?\.gitignore$/s.test(line))
    const index = `ignored-${side}`
    await git(['update-index', '-z', '--index-info'], [lines([...own, ...rules])], index)
    await git(['update-index', '-z', '--skip-worktree', '--stdin'], [lines(rules.map(pathOf))], index)
    const named = await git(['ls-files', '-z', '-i', '-c', '--exclude-per-directory=.gitignore'], undefined, index)
    return named.toString('latin1').split('\0')
  }

  return {
    async ignored() {
      if (change.ignoreFiles.length === 0) return new Set()
      const rules = await listOf('rules')
      const named = await Promise.all(SIDES.map((side) => ignoredOf(side, rules)))
      const ruled = new Set(rules.map(pathOf))
      return new Set(named.flat().filter((path) => path !== '' && !ruled.has(path)))
    },
    async diff(leaveOut) {
      const treeOf = async (side: Side): Promise<string> => {
        const kept = (await listOf(side)).filter((line) => !leaveOut.has(pathOf(line)))
        await git(['update-index', '-z', '--index-info'], [lines(kept)], side)
        return (await git(['write-tree'], undefined, side)).toString('latin1').trim()
      }
      const [from, to] = [await treeOf('from'), await treeOf('to')]
      if (from === to) return { patch: Buffer.alloc(0), stat: Buffer.alloc(0) }
      const options = ['--no-ext-diff', '--no-textconv', '--no-color', '-M', '-l200']
      return {
        patch: await git(['diff', ...options, '--binary', '--full-index', from, to, '--']),
        stat: await git(['diff', ...options, '--stat=72', '--summary', from, to, '--']),
      }
    },
    remove,
  }
}

/** The least that git takes for a repository, with attributes that leave every byte as it is. */
async function makeBare(gitDir: string): Promise<void> {
  for (const part of ['objects', 'refs', 'info']) await mkdir(join(gitDir, part), { recursive: true })
  await writeFile(join(gitDir, 'info/attributes'), '* -text -filter -ident !diff -merge -working-tree-encoding\n')
  await writeFile(join(gitDir, 'config'), '[core]\n\trepositoryformatversion = 0\n\thooksPath = /dev/null\n')
  await writeFile(join(gitDir, 'HEAD'), 'ref: refs/heads/none\n')
}

function pathOf(line: string): string {
  return line.slice(line.indexOf('\t') + 1)
}

function lines(each: readonly string[]): Buffer {
  return Buffer.from(each.map((line) => `${line}\0`).join(''), 'latin1')
}

async function* importStream({ changes, ignoreFiles }: GitChanges): AsyncGenerator<Uint8Array> {
  let leftBytes = MAX_CONTENT_BYTES
  for (const side of SIDES) {
    yield head(`refs/keelson/${side}`)
    for (const change of changes) {
      const file: GitFile | null = change[side]
      if (file === null) continue
      const data = await file.read()
      leftBytes -= data.length
      if (leftBytes < 0) throw new AppError('body_too_large', 'The change is more than 64 MiB; use the archive.')
      yield* entry(file.mode, change.path, data)
    }
  }
  yield head('refs/keelson/rules')
  for (const { path, data } of ignoreFiles) yield* entry('100644', path, data)
  yield Buffer.from('done\n')
}

function head(ref: string): Buffer {
  return Buffer.from(`reset ${ref}\ncommit ${ref}\ncommitter k <k@localhost> 0 +0000\ndata 0\n`)
}

function* entry(mode: string, path: Uint8Array, data: Uint8Array): Generator<Uint8Array> {
  const quoted = Buffer.from(path).toString('latin1').replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')
  yield Buffer.from(`M ${mode} inline "${quoted}"\ndata ${data.length}\n`, 'latin1')
  yield data
  yield Buffer.from('\n')
}
