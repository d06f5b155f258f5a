/** For sandboxes that take files by name and whole: the same entries, in batches that are small in memory. */

import { newId } from '../../shared/ids.ts'
import type { FileWrite, Sandbox, WorkspaceEntry, WorkspaceSize } from '../types.ts'
import { refusedSource } from './refused-source.ts'

const BATCH_BYTES = 4 * 1024 * 1024
const BATCH_FILES = 200
const MAX_FILE_BYTES = 32 * 1024 * 1024
const MAX_BYTES = 1024 * 1024 * 1024
const MAX_FILES = 50_000
const COMMAND_MS = 60_000

/** Who watches the writing; `check` throws to end it. */
export interface WriteEntriesOptions {
  check(): void
  onProgress(): void
  /** Told what could not be taken over, in a sentence. */
  note(sentence: string): void
}

/**
 * Adds entries to a workspace that has no `replaceFiles`. Throws `project_source_failed` naming the limit: 32 MiB a file, 1
 * GiB and 50,000 files in all. Names that are not UTF-8 are left out and noted. Safe to repeat.
 */
export async function writeEntries(
  sandbox: Sandbox,
  entries: AsyncIterable<WorkspaceEntry>,
  { check, onProgress, note }: WriteEntriesOptions,
): Promise<WorkspaceSize> {
  const total = { files: 0, sizeBytes: 0 }
  let batch: FileWrite[] = []
  let batchBytes = 0
  let made: (readonly string[])[] = []

  const flush = async (): Promise<void> => {
    check()
    if (batch.length > 0) await sandbox.write(batch)
    if (made.length > 0) await makeOthers(sandbox, made)
    batch = []
    batchBytes = 0
    made = []
    onProgress()
  }

  for await (const entry of entries) {
    const path = Buffer.from(entry.path).toString()
    if (!Buffer.from(path).equals(entry.path)) {
      note(`${path}: not taken over, its name is not UTF-8, which this kind of sandbox needs.`)
      continue
    }
    if (entry.kind === 'directory') made.push(['mkdir', '-p', '--', path])
    else total.files += 1
    if (entry.kind === 'symlink') made.push(['ln', '-sfn', '--', Buffer.from(entry.target).toString(), path])
    if (entry.kind === 'file') {
      const data = await collect(path, entry.data)
      total.sizeBytes += data.length
      batchBytes += data.length
      batch.push({ path, data, mode: entry.mode & 0o777 })
    }
    if (total.files > MAX_FILES) refuse(`the source has more than ${MAX_FILES} files`)
    if (total.sizeBytes > MAX_BYTES) refuse(`the source is larger than ${MAX_BYTES / 1024 / 1024} MiB`)
    if (batch.length + made.length >= BATCH_FILES || batchBytes >= BATCH_BYTES) await flush()
  }
  await flush()
  return total
}

async function collect(path: string, data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of data) {
    bytes += piece.length
    if (bytes > MAX_FILE_BYTES) refuse(`${path} is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB`)
    // A copy: the source uses its buffer again.
    pieces.push(Buffer.from(piece))
  }
  return Buffer.concat(pieces)
}

/** Directories and links, by one command inside: what a link points to is not ours to judge from out here. */
async function makeOthers(sandbox: Sandbox, commands: readonly (readonly string[])[]): Promise<void> {
  const execId = `source.${newId('req')}`
  const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const lines = commands.flatMap((words) => {
    const parent = words.at(-1)?.split('/').slice(0, -1).join('/') ?? ''
    return [`mkdir -p -- ./${quoted(parent)}`, words.map(quoted).join(' ')]
  })
  const script = new TextEncoder().encode(`set -e\n${lines.join('\n')}\n`)
  await sandbox.start({ execId, taskId: 'keelson', argv: ['sh', '-s'], stdin: script, timeoutMs: COMMAND_MS })
  const options = { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: COMMAND_MS }
  const { state } = await sandbox.poll(execId, options)
  if (state.exitCode !== 0) refuse('its directories and links could not be made')
}

function refuse(what: string): never {
  throw refusedSource(`The project’s files cannot be brought in: ${what}.`)
}
