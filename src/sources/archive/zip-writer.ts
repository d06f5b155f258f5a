import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import type { WorkspaceEntry } from '../../sandbox/types.ts'

const S_IFLNK = 0o120000

/**
 * Entries as a zip archive; links are stored as such. Names that are not UTF-8, which the format cannot hold, get their bytes
 * written out as `\xE9`.
 */
export async function* writeZip(entries: AsyncIterable<WorkspaceEntry>): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile()
  const stop = new AbortController()
  const output = Readable.from(zip.outputStream)
  const added = addAll(zip, entries, stop.signal).then(
    () => zip.end(),
    (error: unknown) => output.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  try {
    for await (const piece of output) {
      if (piece instanceof Uint8Array) yield piece
    }
  } finally {
    // Whoever reads may leave in the middle: nothing of the source stays open then.
    stop.abort()
    await added
  }
}

/** One after the other: an entry's bytes can be read only until the next one is asked for. */
async function addAll(zip: ZipFile, entries: AsyncIterable<WorkspaceEntry>, signal: AbortSignal): Promise<void> {
  for await (const entry of entries) {
    const name = textOf(entry.path)
    if (entry.kind === 'directory') zip.addEmptyDirectory(name, { mode: 0o040000 | entry.mode })
    else if (entry.kind === 'symlink') zip.addBuffer(Buffer.from(entry.target), name, { mode: S_IFLNK | 0o777 })
    else {
      const data = Readable.from(copies(entry.data))
      const mtime = entry.mtimeMs === undefined ? {} : { mtime: new Date(entry.mtimeMs) }
      zip.addReadStream(data, name, { mode: 0o100000 | entry.mode, ...mtime })
      try {
        await finished(data, { signal })
      } finally {
        data.destroy()
      }
    }
  }
}

/** The source uses its buffer again while a piece waits. */
async function* copies(data: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of data) yield Buffer.from(piece)
}

function textOf(path: Uint8Array): string {
  const text = Buffer.from(path).toString()
  if (Buffer.from(text).equals(path)) return text
  return Buffer.from(path)
    .toString('latin1')
    .replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).toUpperCase()}`)
}
