/**
 * What the last checkpoint saw of each directory, as git's index keeps it: an entry whose numbers are the same has the same
 * content. In memory for the process that works on a sandbox, and in a file beside the objects for the next one.
 */

import { createHash, randomBytes } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { ByteName } from './descriptors.ts'
import { readGeneration } from './store-generation.ts'

/** Numbers an entry: inode, size, mtime and ctime in milliseconds with fractions. NaN: not to be trusted. */
export const STAT_NUMBERS = 4

/** What a walk knows of a directory, so that the next one reads nothing that is as it was. */
export interface CachedDirectory {
  /** Inode, mtime and ctime of the directory itself when its names were read; null: they are to be read again. */
  readonly own: readonly [number, number, number] | null
  /** All names in byte order; those that are no files of the checkpoint have an empty hash. */
  readonly names: readonly ByteName[]
  /** STAT_NUMBERS for each name. */
  readonly stats: Float64Array
  /** Hash of each file's blob, of each directory's tree. */
  readonly hashes: readonly string[]
  readonly modes: readonly string[]
  /** Hash of the directory's own tree. */
  readonly tree: string
}

/** Directories by their path from the workspace; empty for the workspace itself. */
export type StatCache = Map<ByteName, CachedDirectory>

const MAGIC = 'keelson stat cache 3\n'
const CHECKSUM_BYTES = 20
const MAX_FILE_BYTES = 256 * 1024 * 1024

/** How many names a cache holds; its size in memory and on disk follows from it. */
export function countNames(cache: StatCache): number {
  let names = 0
  for (const directory of cache.values()) names += directory.names.length
  return names
}

/**
 * Writes the cache whole, for the generation of the store that all its objects are in. A failure costs the next process time
 * and nothing else, so it is not thrown.
 */
export function saveStatCache(gitDir: string, cache: StatCache, generation: string): void {
  const file = cacheFile(gitDir)
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const body = Buffer.concat([Buffer.from(`${generation}\n`), encode(cache)])
    writeFileSync(fresh, Buffer.concat([Buffer.from(MAGIC), body, createHash('sha1').update(body).digest()]), {
      mode: 0o600,
    })
    renameSync(fresh, file)
  } catch {
    // A full disk, for example. Whatever is there is checked when it is read.
    rmSync(fresh, { force: true })
  }
}

/** Reads what another process saved; empty when there is nothing, it is not whole, or objects were removed since. */
export async function loadStatCache(gitDir: string): Promise<StatCache> {
  try {
    const data = await readFile(cacheFile(gitDir))
    const body = data.subarray(MAGIC.length, data.length - CHECKSUM_BYTES)
    const sum = data.subarray(data.length - CHECKSUM_BYTES)
    const isWhole =
      data.length <= MAX_FILE_BYTES &&
      data.toString('latin1', 0, MAGIC.length) === MAGIC &&
      createHash('sha1').update(body).digest().equals(sum)
    const end = body.indexOf(0x0a)
    const isCurrent = isWhole && body.toString('latin1', 0, end) === readGeneration(gitDir)
    return isCurrent ? decode(body.subarray(end + 1)) : new Map()
  } catch {
    // Not there yet.
    return new Map()
  }
}

function cacheFile(gitDir: string): string {
  return path.join(gitDir, 'stat-cache')
}

/** A directory: lengths, path, tree, all names with NULs between them, numbers; hashes and modes as text. */
function encode(cache: StatCache): Buffer {
  const parts: Buffer[] = []
  for (const [at, { own, names, stats, hashes, modes, tree }] of cache) {
    const text = Buffer.from(
      [at, tree, JSON.stringify(own), names.join('\0'), hashes.join(' '), modes.join(' ')].join('\n\0'),
      'latin1',
    )
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32LE(names.length, 0)
    lengths.writeUInt32LE(text.length, 4)
    parts.push(lengths, text, Buffer.from(stats.buffer, stats.byteOffset, stats.byteLength))
  }
  return Buffer.concat(parts)
}

function decode(body: Buffer): StatCache {
  const cache: StatCache = new Map()
  for (let at = 0; at < body.length; ) {
    const count = body.readUInt32LE(at)
    const length = body.readUInt32LE(at + 4)
    const fields = body.toString('latin1', at + 8, at + 8 + length).split('\n\0')
    at += 8 + length
    const bytes = count * STAT_NUMBERS * Float64Array.BYTES_PER_ELEMENT
    const stats = new Float64Array(new Uint8Array(body.subarray(at, at + bytes)).buffer)
    at += bytes
    const [where = '', tree = '', own = 'null', names = '', hashes = '', modes = ''] = fields
    const list = (text: string, separator: string) => (count === 0 ? [] : text.split(separator))
    cache.set(where, {
      // Written by `encode`; the checksum says that it is whole.
      own: JSON.parse(own) as CachedDirectory['own'],
      names: list(names, '\0'),
      stats,
      hashes: list(hashes, ' '),
      modes: list(modes, ' '),
      tree,
    })
  }
  return cache
}
