/**
 * What a project's own git tracks, read from its index file by ourselves: in a directory that is not ours git would do what
 * the configuration there says (file system monitors, for one, are programs that it starts). Format: gitformat-index.
 */

import { readEwahBitmap } from './ewah-bitmap.ts'

/** What an index says, or why it cannot be read: the end of a sentence that begins with "its index". */
export type IndexReading =
  | {
      readonly ok: true
      /** Wanted paths, bytes as latin1, relative to the repository; with `/` at the end: a directory outside a sparse checkout. */
      readonly names: readonly string[]
    }
  | { readonly ok: false; readonly reason: string }

/** Which part of an index a caller wants, and how much of it. */
export interface IndexOptions {
  /** Which paths are returned; of a large repository a caller needs few. */
  isWanted(name: string): boolean
  /** With more wanted paths the index is refused. */
  readonly maxWanted: number
  /**
   * The content of a file beside the index, which a split index builds on: `sharedindex.` and a hash in hex. Null when it is
   * not there or larger than the caller reads.
   */
  readBeside(name: string): Buffer | null
}

const SIGNATURE = 'DIRC'
const HEADER_BYTES = 12
const STAT_BYTES = 40
const MODE_AT = 24
const FLAGS_BYTES = 2
const EXTENSION_HEADER_BYTES = 8
/** SHA-1 and SHA-256. The file does not say which it holds: only one of them makes its parts meet its end. */
const ID_BYTES = [20, 32] as const
const EXTENDED = 0x4000
const NAME_MASK = 0xfff
/** Of the kernel. Version 4 gives each name by the one before it, so a long one could be told at no cost again and again. */
const MAX_NAME_BYTES = 4_096
/** Regular file, link, another repository, directory outside a sparse checkout. */
const KINDS: ReadonlySet<number> = new Set([0o100000, 0o120000, 0o160000, 0o040000])
const KIND_MASK = 0o170000
/** Extensions that change what the entries mean, and are known here: a split index, a sparse one. */
const SPLIT = 'link'
const SPARSE = 'sdir'

class Refusal extends Error {}

const CUT = 'is cut off or has another form than git’s'

/**
 * Reads an index of version 2 to 4, of a SHA-1 or SHA-256 repository, whole, split or sparse; what else git keeps in it (the
 * untracked cache, a file system monitor's state) is passed over. Pure but for `readBeside`, which is called at most once.
 */
export function readGitIndex(data: Buffer, options: IndexOptions): IndexReading {
  if (data.length < HEADER_BYTES || data.toString('latin1', 0, 4) !== SIGNATURE) return refused('is none of git’s')
  const version = data.readUInt32BE(4)
  if (version < 2 || version > 4) return refused(`has version ${version}, and only 2 to 4 are known`)
  for (const idBytes of ID_BYTES) {
    try {
      const names = readNames(data, idBytes, options)
      if (names !== null) return { ok: true, names }
    } catch (error) {
      if (error instanceof Refusal) return refused(error.message)
      if (!(error instanceof RangeError)) throw error
    }
  }
  return refused(CUT)
}

function refused(reason: string): IndexReading {
  return { ok: false, reason }
}

/** Takes each entry's name and its place, in their order; '' where a split index repeats one of its base. */
type Take = (name: string, at: number) => void

interface IndexFile {
  readonly count: number
  /** What a split index says of its base: its id, then, if they are not empty, what it deletes and replaces. */
  readonly split: Buffer | null
}

/** The file's parts; null when they do not meet its end with ids of this length. Throws `RangeError` where it is cut off. */
function parse(data: Buffer, idBytes: number, take: Take): IndexFile | null {
  const end = data.length - idBytes
  let at = readEntries(data, idBytes, take)
  if (at === null) return null
  let split: Buffer | null = null
  let foreign: string | null = null
  while (at + EXTENSION_HEADER_BYTES <= end) {
    const name = data.toString('latin1', at, at + 4)
    const next: number = at + EXTENSION_HEADER_BYTES + data.readUInt32BE(at + 4)
    if (next > end) return null
    if (name === SPLIT) split = data.subarray(at + EXTENSION_HEADER_BYTES, next)
    // Git's rule: what begins with a capital may be passed over.
    else if (name !== SPARSE && !/^[A-Z]/.test(name)) foreign = name
    at = next
  }
  if (at !== end) return null
  if (foreign !== null) throw new Refusal(`needs an extension that is not known here (${JSON.stringify(foreign)})`)
  return { count: data.readUInt32BE(8), split }
}

/** Where the entries end; null when this is not an index with ids of this length. */
function readEntries(data: Buffer, idBytes: number, take: Take): number | null {
  const version = data.readUInt32BE(4)
  const count = data.readUInt32BE(8)
  let at = HEADER_BYTES
  let before = ''
  for (let index = 0; index < count; index++) {
    const start = at
    if (!KINDS.has(data.readUInt32BE(start + MODE_AT) & KIND_MASK)) return null
    const flags = data.readUInt16BE(start + STAT_BYTES + idBytes)
    at = start + STAT_BYTES + idBytes + FLAGS_BYTES * (version >= 3 && (flags & EXTENDED) !== 0 ? 2 : 1)
    if (version === 4) {
      const cut = readOffset(data, at)
      const end = data.indexOf(0, cut.next)
      if (end === -1) return null
      const kept = Math.max(0, before.length - cut.value)
      checkLength(kept + end - cut.next)
      before = before.slice(0, kept) + data.toString('latin1', cut.next, end)
      at = end + 1
    } else {
      const length = flags & NAME_MASK
      const end = length < NAME_MASK ? at + length : data.indexOf(0, at + NAME_MASK)
      if (end === -1 || end > data.length) return null
      checkLength(end - at)
      before = data.toString('latin1', at, end)
      // Entries are padded with one to eight NULs to a multiple of eight.
      at = start + ((end - start + 8) & ~7)
    }
    take(before, index)
  }
  return at
}

function checkLength(bytes: number): void {
  if (bytes > MAX_NAME_BYTES) throw new Refusal(`names a path of more than ${MAX_NAME_BYTES} bytes`)
}

/** Git's variable-length number, as in a pack's offsets. */
function readOffset(data: Buffer, from: number): { value: number; next: number } {
  let next = from
  let byte = data.readUInt8(next++)
  let value = byte & 127
  while ((byte & 128) !== 0) {
    byte = data.readUInt8(next++)
    value = (value + 1) * 128 + (byte & 127)
  }
  return { value, next }
}

function readNames(data: Buffer, idBytes: number, options: IndexOptions): string[] | null {
  const own: Entry[] = []
  const file = parse(data, idBytes, collect(own, options))
  if (file === null) return null
  const base = file.split === null ? [] : readBase(file.split, idBytes, options)
  const names = [...base, ...own].map(({ name }) => name)
  if (names.length > options.maxWanted) throw tooMany(options)
  return names
}

interface Entry {
  readonly name: string
  readonly at: number
}

function collect(into: Entry[], options: IndexOptions): Take {
  return (name, at) => {
    if (name === '' || !options.isWanted(name)) return
    if (into.length >= options.maxWanted) throw tooMany(options)
    into.push({ name, at })
  }
}

function tooMany({ maxWanted }: IndexOptions): Refusal {
  return new Refusal(`names more than ${maxWanted} paths that matter here`)
}

/** The entries of the index that a split one builds on, without those it deletes. */
function readBase(split: Buffer, idBytes: number, options: IndexOptions): Entry[] {
  const id = split.toString('hex', 0, idBytes)
  // Without a base it is whole.
  if (/^0*$/.test(id)) return []
  const data = options.readBeside(`sharedindex.${id}`)
  if (data === null) throw new Refusal('is split, and the file that it builds on is not there or too large')
  const entries: Entry[] = []
  const base = parseBase(data, idBytes, collect(entries, options))
  if (base === null || base.split !== null) throw new Refusal('is split, and the file that it builds on cannot be read')
  if (split.length === idBytes) return entries
  const deleted = readEwahBitmap(split, idBytes, base.count)
  return entries.filter(({ at }) => !deleted.has(at))
}

function parseBase(data: Buffer, idBytes: number, take: Take): IndexFile | null {
  if (data.length < HEADER_BYTES || data.toString('latin1', 0, 4) !== SIGNATURE) return null
  try {
    return parse(data, idBytes, take)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}
