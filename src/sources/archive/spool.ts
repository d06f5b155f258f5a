import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../shared/errors.ts'

/** The largest upload that is taken, packed. */
export const MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
const IDLE_MS = 60_000

/** An upload in a file of its own, outside of any workspace. */
export interface Spooled {
  readonly file: string
  /** Removes the file; safe to repeat. */
  remove(): Promise<void>
}

/**
 * Writes an upload to a file of its own, since archives are read from their end. Whoever gets it removes it. Throws
 * `body_too_large` beyond 512 MiB and `bad_request` when nothing came or it broke off.
 */
export async function spoolUpload(body: AsyncIterable<Uint8Array> | null): Promise<Spooled> {
  const dir = await mkdtemp(join(tmpdir(), 'keelson-archive-'))
  const remove = () => rm(dir, { recursive: true, force: true })
  const file = join(dir, 'archive')
  try {
    if (body === null) throw new AppError('bad_request', 'archive: send the archive as the body.')
    await pipeline(Readable.from(bounded(body)), createWriteStream(file, { mode: 0o600 }))
    return { file, remove }
  } catch (error) {
    await remove()
    if (error instanceof AppError) throw error
    throw new AppError('bad_request', 'archive: the upload broke off.', { cause: error })
  }
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  const pieces = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await within(pieces.next())
      if (next.done === true) return
      sizeBytes += next.value.length
      if (sizeBytes > MAX_ARCHIVE_BYTES) {
        const details = { maxBytes: MAX_ARCHIVE_BYTES }
        throw new AppError('body_too_large', 'The archive is larger than 512 MiB.', { details })
      }
      yield next.value
    }
  } finally {
    await pieces.return?.()
  }
}

/** A sender that says nothing for a minute has gone. */
async function within<T>(next: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new AppError('bad_request', 'archive: the upload stood still for a minute.')),
      IDLE_MS,
    )
  })
  try {
    return await Promise.race([next, late])
  } finally {
    clearTimeout(timer)
  }
}
