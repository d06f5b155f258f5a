/**
 * Small pieces of files without a wait. Handing one to another thread and back costs more processor time than the piece
 * itself, several times over where a file is opened, looked at, read and closed.
 */

import { read, readSync, writeFile, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'

const readAsync = promisify(read)
const writeFileAsync = promisify(writeFile)

/** Up to here reading, writing or packing takes less time than handing it to another thread. */
export const SMALL_BYTES = 32 * 1024

/**
 * `length` bytes of an opened regular file from `offset`, fewer where it ends before. Small parts come without a wait, so
 * whoever reads many lets the event loop breathe between. Throws what the file system throws.
 */
export async function readPart(fd: number, offset: number, length: number): Promise<Buffer> {
  const data = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const rest = length - filled
    const bytes =
      length <= SMALL_BYTES
        ? readSync(fd, data, filled, rest, offset + filled)
        : (await readAsync(fd, data, filled, rest, offset + filled)).bytesRead
    if (bytes === 0) break
    filled += bytes
  }
  return data.subarray(0, filled)
}

/** Writes all of `data` to an opened file that is new; a little of it without a wait. Throws what the file system throws. */
export async function writeAll(fd: number, data: Uint8Array | string): Promise<void> {
  if (data.length <= SMALL_BYTES) writeFileSync(fd, data)
  else await writeFileAsync(fd, data)
}
