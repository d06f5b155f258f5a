/**
 * Files that are too large for a diff. A tree holds a blob that names their content (hash and size, with a NUL in it, so
 * that git calls it binary); the content itself lies beside the objects, so that an undo brings it back.
 */

import { createHash, randomBytes } from 'node:crypto'
import { constants, mkdirSync, renameSync } from 'node:fs'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

/** Larger files are large ones: diffs of them help nobody. */
export const MAX_CHECKPOINT_FILE_BYTES = 2 * 1024 * 1024
/** Files beyond this are only noticed (see left-out.ts), as is what goes beyond the sum. Both are documented. */
export const MAX_LARGE_FILE_BYTES = 128 * 1024 * 1024
/** What the large files of one checkpoint may come to, in bytes. */
export const MAX_LARGE_TOTAL_BYTES = 512 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024
const POINTER = /^keelson large file\0 sha256 ([0-9a-f]{64}) size (\d{1,15})\n$/

/** A large file's content by its hash, in hexadecimal digits. */
export interface LargeContent {
  readonly sha256: string
  readonly sizeBytes: number
}

/** The blob that stands for a large file. Pure. */
export function encodePointer({ sha256, sizeBytes }: LargeContent): Buffer {
  return Buffer.from(`keelson large file\0 sha256 ${sha256} size ${sizeBytes}\n`, 'latin1')
}

/** What a pointer names; null when it is none. Pure. */
export function decodePointer(blob: Buffer): LargeContent | null {
  const [, sha256, size] = POINTER.exec(blob.subarray(0, 200).toString('latin1')) ?? []
  return sha256 === undefined || size === undefined ? null : { sha256, sizeBytes: Number(size) }
}

/** The contents of large files beside a sandbox's object store. */
export interface LargeFiles {
  /**
   * Reads a file to its end, in pieces, and keeps its content when there is room. Null when it is not regular, grew while
   * it was read or is larger than one may be. Safe to repeat.
   */
  keep(file: string | Buffer): Promise<LargeContent | null>
  /** Path of a kept content, null when it is not kept. */
  pathOf(content: LargeContent): Promise<string | null>
}

/** Keeps contents in the directory `large` of a git directory. `checkDisk` is asked before something is written. */
export function createLargeFiles(gitDir: string, checkDisk: () => void): LargeFiles {
  const dir = path.join(gitDir, 'large')
  return {
    async keep(file) {
      const source = await openRegular(file)
      if (source === null) return null
      try {
        const sizeBytes = (await source.stat()).size
        if (sizeBytes > MAX_LARGE_FILE_BYTES) return null
        checkDisk()
        mkdirSync(dir, { recursive: true, mode: 0o700 })
        const hasRoom = (await keptBytes(dir)) + sizeBytes <= MAX_LARGE_TOTAL_BYTES
        const fresh = path.join(dir, `new-${randomBytes(6).toString('hex')}`)
        const copy = hasRoom ? await open(fresh, 'wx', 0o400) : null
        try {
          const sha256 = await copyAndHash(source, copy, sizeBytes)
          if (sha256 !== null && copy !== null) renameSync(fresh, path.join(dir, sha256))
          return sha256 === null ? null : { sha256, sizeBytes }
        } finally {
          await copy?.close()
          if (copy !== null) await rm(fresh, { force: true })
        }
      } finally {
        await source.close()
      }
    },
    async pathOf({ sha256, sizeBytes }) {
      const kept = path.join(dir, sha256)
      try {
        return (await stat(kept)).size === sizeBytes ? kept : null
      } catch {
        // Never kept, or removed with the last checkpoint that named it.
        return null
      }
    },
  }
}

async function keptBytes(dir: string): Promise<number> {
  let total = 0
  for (const name of await readdir(dir)) {
    const found = await stat(path.join(dir, name)).catch(() => null) // just being renamed by another process
    total += found?.size ?? 0
  }
  return total
}

async function openRegular(file: string | Buffer): Promise<FileHandle | null> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
    return null
  } catch {
    // Gone, replaced by a link, or unreadable for us.
    return null
  }
}

/** The hash of exactly `sizeBytes`; null when the file has another size by now. */
async function copyAndHash(source: FileHandle, copy: FileHandle | null, sizeBytes: number): Promise<string | null> {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  let at = 0
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, at)
    if (bytesRead === 0) break
    at += bytesRead
    if (at > sizeBytes) return null
    const part = buffer.subarray(0, bytesRead)
    hash.update(part)
    if (copy !== null) await copy.writeFile(part)
  }
  return at === sizeBytes ? hash.digest('hex') : null
}
