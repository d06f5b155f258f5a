/** A zip or tar archive in a file, as entries; what could reach beyond the workspace or is no file is refused by name. */

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { type Entry, openPromise } from 'yauzl'
import type { WorkspaceEntry } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'

const S_IFMT = 0o170000
const S_IFLNK = 0o120000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const MAX_TARGET_BYTES = 4_000
/** An archive may unpack to this much, or to so many times its own size, whichever is more. */
const FREE_BYTES = 256 * 1024 * 1024
const MAX_RATIO = 100
/** Bytes of a tar that may come before an entry or after the last one: headers and padding are far less. */
const MAX_BETWEEN_BYTES = 1024 * 1024
/** Extended headers of one entry: those that are in use are a dozen. */
const MAX_PAX_RECORDS = 200

type ArchiveFormat = 'zip' | 'tar' | 'tar.gz'

/** Yields the entries of an archive whose kind its first bytes say. Throws `bad_request` naming what is wrong with it. */
export async function* readArchive(file: string): AsyncGenerator<WorkspaceEntry> {
  const { format, sizeBytes } = await look(file)
  const most = Math.max(FREE_BYTES, sizeBytes * MAX_RATIO)
  let total = 0
  const grow = (bytes: number): void => {
    total += bytes
    if (total > most) refuse(`it unpacks to more than ${MAX_RATIO} times its size`)
  }
  try {
    yield* format === 'zip' ? zipEntries(file, grow) : tarEntries(file, format === 'tar.gz', grow)
  } catch (error) {
    throw damaged(error)
  }
}

/** What a library says of bytes that are no archive is the sender's mistake. */
function damaged(error: unknown): AppError {
  if (error instanceof AppError) return error
  const message = `archive: cannot be read: ${error instanceof Error ? error.message : String(error)}`
  return new AppError('bad_request', message, { cause: error, details: { archive: 'is damaged or no archive' } })
}

async function look(file: string): Promise<{ format: ArchiveFormat; sizeBytes: number }> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const { buffer } = await handle.read(Buffer.alloc(262), 0, 262, 0)
    const start = buffer.toString('latin1')
    if (/^PK(\x03\x04|\x05\x06)/.test(start)) return { format: 'zip', sizeBytes: size }
    if (start.startsWith('\x1f\x8b')) return { format: 'tar.gz', sizeBytes: size }
    if (start.slice(257).startsWith('ustar')) return { format: 'tar', sizeBytes: size }
  } finally {
    await handle.close()
  }
  return refuse('it is neither zip nor tar nor tar.gz')
}

async function* tarEntries(
  file: string,
  isZipped: boolean,
  grow: (bytes: number) => void,
): AsyncGenerator<WorkspaceEntry> {
  const source = createReadStream(file)
  // Names are bytes; those in pax headers are UTF-8 by its rules and come decoded.
  const options = { filenameEncoding: 'latin1', highWaterMark: 64 * 1024 }
  const tar = extract(options)
  const fail = (error: Error) => tar.destroy(error)
  source.on('error', fail)
  const frame = { readBytes: 0, endBytes: 0 }
  const counted = countBetween(frame)
  counted.on('error', fail)
  if (isZipped) {
    const plain = createGunzip()
    plain.on('error', fail)
    source.pipe(plain).pipe(counted).pipe(tar)
  } else source.pipe(counted).pipe(tar)
  try {
    for await (const entry of tar) {
      frame.endBytes = frame.readBytes + (entry.header.size ?? 0)
      yield tarEntry(entry.header, limited(entry, grow))
      entry.resume()
    }
  } finally {
    source.destroy()
    tar.destroy()
  }
}

/** Passes a tar on; fails when too much of it belongs to no entry: endless headers, or zeros behind its end. */
function countBetween(frame: { readBytes: number; readonly endBytes: number }): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      frame.readBytes += chunk.length
      if (frame.readBytes <= frame.endBytes + MAX_BETWEEN_BYTES) return done(null, chunk)
      done(refusal('it holds more than 1 MiB that belongs to no file: headers, or what follows its end'))
    },
  })
}

function tarEntry(header: Header, data: AsyncIterable<Uint8Array>): WorkspaceEntry {
  const named = Object.keys(header.pax ?? {})
  if (named.length > MAX_PAX_RECORDS) refuse(`an entry has more than ${MAX_PAX_RECORDS} extended headers`)
  const name = Buffer.from(header.name, named.includes('path') ? 'utf8' : 'latin1')
  const mode = header.mode ?? 0o644
  const shown = name.toString()
  // What stands there are a map and the pieces of a file, under a name that tar made up.
  if (named.some((key) => key.startsWith('GNU.sparse.'))) refuse(`${shown} is a sparse file; pack it without --sparse`)
  switch (header.type) {
    case 'directory':
      return { kind: 'directory', path: name, mode: mode & 0o777 }
    case 'symlink': {
      const target = Buffer.from(header.linkname ?? '', named.includes('linkpath') ? 'utf8' : 'latin1')
      return { kind: 'symlink', path: name, target: checkedTarget(name, target) }
    }
    case 'file':
    case 'contiguous-file':
      return {
        kind: 'file',
        path: name,
        mode: mode & 0o777,
        sizeBytes: header.size ?? 0,
        ...timeOf(header.mtime),
        data,
      }
    case 'link':
      return refuse(`${shown} is a hard link; make it with tar --hard-dereference`)
    default:
      return refuse(`${shown} is neither a file nor a directory nor a link (${header.type ?? 'unknown'})`)
  }
}

async function* zipEntries(file: string, grow: (bytes: number) => void): AsyncGenerator<WorkspaceEntry> {
  const zip = await openPromise(file, { lazyEntries: true, decodeStrings: false, validateEntrySizes: true })
  try {
    for await (const entry of zip.eachEntry()) {
      const name = Buffer.from(entry.fileName)
      const shown = name.toString()
      if (entry.isEncrypted()) refuse(`${shown} is encrypted`)
      const attributes = entry.externalFileAttributes >>> 16
      const kind = attributes & S_IFMT
      const content = async function* () {
        yield* limited(await zip.openReadStreamPromise(entry), grow)
      }
      if (kind === S_IFDIR || name.at(-1) === 0x2f) {
        yield { kind: 'directory', path: name, mode: attributes & 0o777 || 0o755 }
      } else if (kind === S_IFLNK) {
        yield { kind: 'symlink', path: name, target: checkedTarget(name, await linkTarget(shown, content())) }
      } else if (kind === S_IFREG || kind === 0) {
        const mode = attributes & 0o777 || 0o644
        yield {
          kind: 'file',
          path: name,
          mode,
          sizeBytes: entry.uncompressedSize,
          ...timeOf(dateOf(entry)),
          data: content(),
        }
      } else refuse(`${shown} is neither a file nor a directory nor a link`)
    }
  } finally {
    zip.close()
  }
}

function dateOf(entry: Entry): Date {
  return entry.getLastModDate()
}

function timeOf(date: Date | undefined): { mtimeMs?: number } {
  const mtimeMs = date?.getTime() ?? Number.NaN
  return Number.isFinite(mtimeMs) && mtimeMs > 0 ? { mtimeMs } : {}
}

async function linkTarget(shown: string, data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of data) {
    bytes += piece.length
    if (bytes > MAX_TARGET_BYTES) refuse(`the link ${shown} has too long a target`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** An entry's bytes, counted; it is read by whoever takes the entry, so its failures are told here. */
async function* limited(data: AsyncIterable<unknown>, grow: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of data) {
      if (!(piece instanceof Uint8Array)) throw new Error('a stream of bytes gave something else')
      grow(piece.length)
      yield piece
    }
  } catch (error) {
    throw damaged(error)
  }
}

/** An archive comes from anywhere: its links stay within it. */
function checkedTarget(name: Buffer, target: Buffer): Buffer {
  const to = target.toString('latin1')
  const resolved = path.posix.join(path.posix.dirname(name.toString('latin1')), to)
  const leadsOut = to.startsWith('/') || resolved === '..' || resolved.startsWith('../')
  return leadsOut ? refuse(`the link ${name.toString()} leads out of it`) : target
}

function refusal(what: string): AppError {
  return new AppError('bad_request', `archive: ${what}`, { details: { archive: what } })
}

function refuse(what: string): never {
  throw refusal(what)
}
