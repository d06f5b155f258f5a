import { fromPathText } from '../tree-file-path.ts'
import type { TreeFile, WorkspaceEntry } from '../types.ts'

/** A file, link or directory of a checkpoint as an entry, with its name in bytes and its permissions. Pure. */
export function entryOfTree({ path: text, mode, data, large }: TreeFile): WorkspaceEntry {
  const path = fromPathText(text)
  if (mode === '120000') return { kind: 'symlink', path, target: data }
  const bits = Number.parseInt(mode, 8) & 0o777
  // Git's own mode of a directory says nothing of its permissions.
  if (/^0?4/.test(mode)) return { kind: 'directory', path, mode: bits === 0 ? 0o755 : bits }
  if (large !== undefined) return { kind: 'file', path, mode: bits, sizeBytes: large.sizeBytes, data: large.pieces }
  return { kind: 'file', path, mode: bits, sizeBytes: data.length, data: once(data) }
}

const GIT_PATH = /(^|\/)\.git(\/|$)/i

/** The files of a checkpoint as entries, read as they are asked for, without what lies in `.git`. */
export async function* entriesOfFiles(files: AsyncIterable<TreeFile>): AsyncGenerator<WorkspaceEntry> {
  for await (const file of files) {
    const entry = entryOfTree(file)
    if (!GIT_PATH.test(Buffer.from(entry.path).toString('latin1'))) yield entry
  }
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data
}
