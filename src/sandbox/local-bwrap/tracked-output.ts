import { readGitIndex } from '../git-index.ts'
import type { ByteName } from './descriptors.ts'
import { isBelowOutput } from './left-out-rules.ts'

/** A larger index is not read, nor a larger one that it builds on; this one is that of about 150,000 files. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024
/** Tracked paths below directories that are usually left out; with more, the repository counts as one without them. */
const MAX_TRACKED = 100_000

/** The tracked files that lie below a directory which is usually left out, and all directories on the way to them. */
export interface TrackedOutput {
  readonly files: ReadonlySet<ByteName>
  readonly directories: ReadonlySet<ByteName>
}

/**
 * What an index tracks of directories that are usually left out, relative to the repository; null when it cannot be read
 * (see git-index.ts), which counts as no index. `readBeside` gives a file that lies beside it, or null.
 */
export function readTrackedOutput(data: Buffer, readBeside: (name: string) => Buffer | null): TrackedOutput | null {
  const index = readGitIndex(data, { isWanted: isBelowOutput, maxWanted: MAX_TRACKED, readBeside })
  if (!index.ok) return null
  const directories = new Set<ByteName>()
  for (const name of index.names) {
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      const directory = name.slice(0, slash)
      if (directories.has(directory)) break
      directories.add(directory)
    }
  }
  return { files: new Set(index.names.filter((name) => !name.endsWith('/'))), directories }
}
