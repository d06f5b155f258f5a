/**
 * What a project's own git tracks, read from its index file by ourselves: no git runs on files that a command can write.
 * Format: gitformat-index, versions 2 to 4. What cannot be read counts as no index.
 */

import type { ByteName } from './descriptors.ts'
import { isBelowOutput } from './left-out-rules.ts'

/** A larger index is not read; this one is that of about 150,000 files. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024
/** Tracked paths below directories that are usually left out; with more, the repository counts as one without them. */
const MAX_TRACKED = 100_000
const HEADER_BYTES = 12
const STAT_BYTES = 40
const HASH_BYTES = 20
const EXTENDED = 0x4000
const NAME_MASK = 0xfff

/** The tracked files that lie below a directory which is usually left out, and all directories on the way to them. */
export interface TrackedOutput {
  readonly files: ReadonlySet<ByteName>
  readonly directories: ReadonlySet<ByteName>
}

/** Reads an index; null when it is none. Paths are relative to the repository. Pure. */
export function readTrackedOutput(data: Buffer): TrackedOutput | null {
  const files = new Set<ByteName>()
  try {
    if (data.toString('latin1', 0, 4) !== 'DIRC') return null
    const version = data.readUInt32BE(4)
    if (version < 2 || version > 4) return null
    let at = HEADER_BYTES
    let before = ''
    for (let left = data.readUInt32BE(8); left > 0; left--) {
      const start = at
      const flags = data.readUInt16BE(at + STAT_BYTES + HASH_BYTES)
      at += STAT_BYTES + HASH_BYTES + 2 + (version >= 3 && (flags & EXTENDED) !== 0 ? 2 : 0)
      let name: ByteName
      if (version === 4) {
        const cut = readOffset(data, at)
        const end = data.indexOf(0, cut.next)
        if (end === -1) return null
        name = before.slice(0, Math.max(0, before.length - cut.value)) + data.toString('latin1', cut.next, end)
        at = end + 1
      } else {
        const length = flags & NAME_MASK
        const end = length < NAME_MASK ? at + length : data.indexOf(0, at + NAME_MASK)
        if (end === -1 || end > data.length) return null
        name = data.toString('latin1', at, end)
        // Entries are padded with one to eight NULs to a multiple of eight.
        at = start + ((end - start + 8) & ~7)
      }
      before = name
      if (isBelowOutput(name)) files.add(name)
      if (files.size > MAX_TRACKED) return null
    }
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
  return { files, directories: directoriesOf(files) }
}

/** Git's variable-length number, as in a pack's offsets. */
function readOffset(data: Buffer, from: number): { value: number; next: number } {
  let at = from
  let byte = data.readUInt8(at++)
  let value = byte & 127
  while ((byte & 128) !== 0) {
    byte = data.readUInt8(at++)
    value = (value + 1) * 128 + (byte & 127)
  }
  return { value, next: at }
}

function directoriesOf(files: ReadonlySet<ByteName>): Set<ByteName> {
  const directories = new Set<ByteName>()
  for (const file of files) {
    for (let slash = file.lastIndexOf('/'); slash > 0; slash = file.lastIndexOf('/', slash - 1)) {
      const directory = file.slice(0, slash)
      if (directories.has(directory)) break
      directories.add(directory)
    }
  }
  return directories
}
