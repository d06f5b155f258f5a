/**
 * Reads which paths a repository tracks out of its index, without git: in a directory that is not ours git would do what the
 * configuration there says (file system monitors, for one, are programs that it starts).
 */

import { open } from 'node:fs/promises'

const MAX_INDEX_BYTES = 64 * 1024 * 1024
const HEADER_BYTES = 12
const OBJECT_ID_BYTES = { sha1: 20, sha256: 32 } as const
const NAME_LENGTH_MASK = 0xfff
const EXTENDED_FLAG = 0x4000

/**
 * Paths in bytes as latin1, in the index's order. Nothing when there is no index or it is not one that we read: larger than
 * 64 MiB, of another version than 2 to 4, cut off. `hash` is the repository's object format.
 */
export async function readTrackedPaths(indexFile: string, hash: keyof typeof OBJECT_ID_BYTES): Promise<string[]> {
  const data = await readBounded(indexFile)
  if (data === null || data.length < HEADER_BYTES || data.toString('latin1', 0, 4) !== 'DIRC') return []
  const version = data.readUInt32BE(4)
  if (version < 2 || version > 4) return []
  return readEntries(data, { version, count: data.readUInt32BE(8), idBytes: OBJECT_ID_BYTES[hash] })
}

async function readBounded(file: string): Promise<Buffer | null> {
  try {
    const handle = await open(file)
    try {
      const info = await handle.stat()
      if (!info.isFile() || info.size > MAX_INDEX_BYTES) return null
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch {
    // A repository without an index tracks nothing yet.
    return null
  }
}

function readEntries(data: Buffer, index: { version: number; count: number; idBytes: number }): string[] {
  const paths: string[] = []
  let at = HEADER_BYTES
  let previous = ''
  for (let i = 0; i < index.count; i++) {
    const flagsAt = at + 40 + index.idBytes
    if (flagsAt + 4 > data.length) return []
    const flags = data.readUInt16BE(flagsAt)
    const nameAt = flagsAt + ((flags & EXTENDED_FLAG) !== 0 && index.version > 2 ? 4 : 2)
    if (index.version === 4) {
      const { drop, next } = readVarint(data, nameAt)
      const end = data.indexOf(0, next)
      if (end === -1) return []
      previous = previous.slice(0, Math.max(0, previous.length - drop)) + data.toString('latin1', next, end)
      at = end + 1
    } else {
      const end =
        (flags & NAME_LENGTH_MASK) < NAME_LENGTH_MASK ? nameAt + (flags & NAME_LENGTH_MASK) : data.indexOf(0, nameAt)
      if (end === -1 || end > data.length) return []
      previous = data.toString('latin1', nameAt, end)
      // Padded with one to eight NULs to a multiple of eight.
      at += (end - at + 8) & ~7
    }
    paths.push(previous)
  }
  return paths
}

/** How much of the name before is dropped, in the index's own variable-length numbers. */
function readVarint(data: Buffer, from: number): { drop: number; next: number } {
  let next = from
  let byte = data[next++] ?? 0
  let drop = byte & 127
  while ((byte & 128) !== 0 && next < data.length) {
    byte = data[next++] ?? 0
    drop = (drop + 1) * 128 + (byte & 127)
  }
  return { drop, next }
}
