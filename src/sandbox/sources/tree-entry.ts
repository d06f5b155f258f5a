import { fromPathText } from '../tree-file-path.ts'
import type { TreeFile, WorkspaceEntry } from '../types.ts'

/** A file, link or directory of a checkpoint as an entry, with its name in bytes and its permissions. Pure. */
export function entryOfTree({ path: text, mode, data }: TreeFile): WorkspaceEntry {
  const path = fromPathText(text)
  if (mode === '120000') return { kind: 'symlink', path, target: data }
  const bits = Number.parseInt(mode, 8) & 0o777
  // Git's own mode of a directory says nothing of its permissions.
  if (/^0?4/.test(mode)) return { kind: 'directory', path, mode: bits === 0 ? 0o755 : bits }
  return { kind: 'file', path, mode: bits, sizeBytes: data.length, data: once(data) }
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data
}
