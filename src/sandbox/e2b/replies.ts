/** Reads what vm.sh prints. The VM belongs to the agent, so every field is checked: nonsense is `sandbox_unreachable`. */

import { AppError } from '../../shared/errors.ts'
import { TREE_HASH } from '../tree-hash.ts'
import type { DirectoryListing, ExecState, ExecStatus, FileEntry, TreeFile } from '../types.ts'

const STATUSES: ReadonlySet<string> = new Set<ExecStatus>([
  'running',
  'exited',
  'timed_out',
  'idle_timed_out',
  'killed',
  'oom',
  'lost',
])

/** The error for a reply that does not have the form of vm.sh's; retried, since a reply may have been cut. */
export function nonsense(): AppError {
  return new AppError('sandbox_unreachable', 'The VM answered something that makes no sense.')
}

function numberOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw nonsense()
  return Number(text)
}

/** `state id task status code signal started ended bytes dropped`, `-` for what is not known. */
export function parseState(line: string | undefined): ExecState {
  const [word, execId, , status = '', code, signal, started, ended, bytes, dropped] = (line ?? '').split(' ')
  if (word !== 'state' || execId === undefined || !STATUSES.has(status)) throw nonsense()
  return {
    execId,
    // One of the statuses, looked up above.
    status: status as ExecStatus,
    exitCode: code === '-' ? null : numberOf(code),
    signal: signal === '-' ? null : (signal ?? null),
    startedAt: numberOf(started),
    endedAt: ended === '-' ? null : numberOf(ended),
    bytes: numberOf(bytes),
    droppedBytes: numberOf(dropped),
  }
}

/** The states of commands, one a line. Throws `sandbox_unreachable` for a line of another form. */
export function readStates(text: string): ExecState[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseState)
    .sort((a, b) => a.startedAt - b.startedAt)
}

/** The bytes of a field in base64; none for a field that is absent. */
export function fromBase64(base64: string | undefined): Buffer {
  return Buffer.from(base64 ?? '', 'base64')
}

/** `word number…` lines: the numbers after the word. */
export function numbersAfter(word: string, line: string | undefined): number[] {
  const [first, ...rest] = (line ?? '').split(' ')
  if (first !== word) throw nonsense()
  return rest.map(numberOf)
}

/** The tree hash behind `word` in a line. Throws `sandbox_unreachable` for any other line. */
export function hashAfter(word: string, line: string | undefined): string {
  const [first, hash = ''] = (line ?? '').split(' ')
  if (first !== word || !TREE_HASH.test(hash)) throw nonsense()
  return hash
}

const KINDS: Readonly<Record<string, FileEntry['kind']>> = { f: 'file', d: 'directory', l: 'symlink' }

/** A listing of `op_list` in vm.sh, ordered by names, each directory before what is in it; `base` is where it lies. Pure. */
export function readListing(listing: string, base: string): Omit<DirectoryListing, 'truncated'> {
  const children = new Map<string, FileEntry[]>()
  const unlisted: { path: string; names: number | null }[] = []
  for (const record of listing.split('\0')) {
    const [letter = '', size, ...rest] = record.split('\t')
    if (rest.length === 0) continue
    const relative = rest.join('\t').replace(/^\.\/?/, '')
    const path = [base, relative].filter((part) => part !== '').join('/')
    if (letter === '-') {
      unlisted.push({ path, names: size === '?' ? null : numberOf(size) })
      continue
    }
    const slash = path.lastIndexOf('/')
    const kind = KINDS[letter] ?? 'other'
    const entry = { path, name: path.slice(slash + 1), kind, sizeBytes: kind === 'file' ? numberOf(size) : 0 }
    const parent = slash === -1 ? '' : path.slice(0, slash)
    const siblings = children.get(parent)
    if (siblings) siblings.push(entry)
    else children.set(parent, [entry])
  }
  const entries: FileEntry[] = []
  const visit = (parent: string) => {
    for (const entry of (children.get(parent) ?? []).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      entries.push(entry)
      if (entry.kind === 'directory') visit(entry.path)
    }
  }
  visit(base)
  return { entries, unlisted: unlisted.sort((a, b) => (a.path < b.path ? -1 : 1)) }
}

const MODES: ReadonlySet<string> = new Set(['100644', '100755', '120000'])

/** Files above 2 MiB are in no checkpoint of a VM, and a header is the length of a hash. */
const MAX_BLOB_BYTES = 4 * 1024 * 1024
const MAX_HEADER_BYTES = 128

/**
 * `git ls-tree -r -z` and, in the same order, `git cat-file --batch`: `hash blob size LF data LF` each, some bytes at a
 * time. Holds one file in memory.
 */
export async function* readTreeFiles(list: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<TreeFile> {
  const pieces = content[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  const more = async (): Promise<void> => {
    const { done, value } = await pieces.next()
    if (done) throw nonsense()
    rest = Buffer.concat([rest, value])
  }
  const take = async (bytes: number): Promise<Buffer> => {
    while (rest.length < bytes) await more()
    const taken = rest.subarray(0, bytes)
    rest = rest.subarray(bytes)
    return taken
  }
  const header = async (): Promise<string> => {
    for (;;) {
      const end = rest.indexOf(10)
      if (end > MAX_HEADER_BYTES || (end === -1 && rest.length > MAX_HEADER_BYTES)) throw nonsense()
      if (end !== -1) return (await take(end + 1)).toString('latin1').trimEnd()
      await more()
    }
  }
  try {
    for (const line of list.split('\0')) {
      if (line === '') continue
      const tab = line.indexOf('\t')
      const mode = line.slice(0, 6)
      const size = numberOf((await header()).split(' ')[2])
      if (tab === -1 || !MODES.has(mode) || size > MAX_BLOB_BYTES) throw nonsense()
      const data = (await take(size + 1)).subarray(0, size)
      yield { path: line.slice(tab + 1), mode, data }
    }
  } finally {
    await pieces.return?.()
  }
}
