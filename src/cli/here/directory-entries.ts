import { createReadStream } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import path from 'node:path'
import type { WorkspaceEntry } from '../../sandbox/types.ts'
import { UsageError } from '../usage-error.ts'

const MAX_BYTES = 512 * 1024 * 1024
const MAX_FILES = 200_000

/**
 * The named files and links of a directory, read as they are asked for; what lies below `leftOut`, what is neither, and what
 * git knows below a directory that is a link by now, is skipped. Throws {@link UsageError} beyond 200,000 files or 512 MiB.
 */
export async function* directoryEntries(
  dir: string,
  files: readonly Buffer[],
  leftOut: string,
): AsyncGenerator<WorkspaceEntry> {
  if (files.length > MAX_FILES)
    throw new UsageError(`${dir} has more than 200,000 files: start in a smaller directory.`)
  let bytes = 0
  const root = Buffer.from(`${dir}/`)
  const plain = new Map<string, boolean>([['', true]])
  /** Whether a directory below the root, in bytes as latin1, and each one above it is one itself and no link to elsewhere. */
  const isPlain = async (directory: string): Promise<boolean> => {
    const known = plain.get(directory)
    if (known !== undefined) return known
    const above = await isPlain(directory.slice(0, Math.max(0, directory.lastIndexOf('/'))))
    const stat = above ? await lstat(Buffer.concat([root, Buffer.from(directory, 'latin1')])).catch(() => null) : null
    plain.set(directory, stat?.isDirectory() === true)
    return stat?.isDirectory() === true
  }
  for (const file of files) {
    const place = Buffer.concat([root, file])
    if (isBelow(place.toString(), leftOut)) continue
    const slash = file.lastIndexOf('/')
    if (slash > 0 && !(await isPlain(file.toString('latin1', 0, slash)))) continue
    const stat = await lstat(place).catch(() => null) // tracked and deleted
    if (stat === null) continue
    if (stat.isSymbolicLink()) {
      yield { kind: 'symlink', path: file, target: await readlink(place, { encoding: 'buffer' }) }
    } else if (stat.isFile()) {
      bytes += stat.size
      if (bytes > MAX_BYTES)
        throw new UsageError(`The files of ${dir} are more than 512 MiB: start in a smaller directory.`)
      const { mode, size: sizeBytes, mtimeMs } = stat
      yield { kind: 'file', path: file, mode: mode & 0o777, sizeBytes, mtimeMs, data: createReadStream(place) }
    }
  }
}

function isBelow(place: string, directory: string): boolean {
  const relative = path.relative(directory, place)
  return relative === '' || !(relative.startsWith('..') || path.isAbsolute(relative))
}
