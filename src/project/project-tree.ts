import type { FileEntry, Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { gitignoreMatcher, opennessOf } from './ignored-names.ts'
import { MAX_PROSE_BYTES } from './input-files.ts'
import { readInput } from './read-input.ts'

const MAX_DEPTH = 3
/** Directories that are opened, and entries taken from each: a tree of any size costs at most this. */
const MAX_DIRECTORIES = 60
const MAX_ENTRIES_EACH = 200

/** The names in one directory. */
export interface Listing {
  /** All names, those of hidden directories too. */
  readonly names: ReadonlySet<string>
  /** There are more: a name that is not here may still be there. */
  readonly isCut: boolean
}

/** A project as far as it is shown, and what was seen on the way. */
export interface ProjectTree {
  /** Files and directories to depth 3, sorted by path, without what is installed or ignored. */
  readonly entries: readonly FileEntry[]
  /** What each directory that was opened holds; the root's path is ''. */
  readonly listings: ReadonlyMap<string, Listing>
  readonly isCut: boolean
}

/** Lists a project to depth 3, at most 60 directories and 200 entries of each. Looks only; safe to repeat. */
export async function readTree(sandbox: Sandbox): Promise<ProjectTree> {
  const isIgnored = gitignoreMatcher((await readInput(sandbox, '.gitignore', MAX_PROSE_BYTES))?.text ?? '')
  const entries: FileEntry[] = []
  const listings = new Map<string, Listing>()
  let isCut = false
  let level = ['']
  for (let depth = 1; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const allowed = level.slice(0, MAX_DIRECTORIES - listings.size)
    isCut ||= allowed.length < level.length
    const lists = await Promise.all(allowed.map((path) => listProjectDirectory(sandbox, path)))
    level = []
    for (const [index, list] of lists.entries()) {
      isCut ||= list.isCut
      listings.set(allowed[index] ?? '', list)
      for (const entry of list.entries) {
        const openness = entry.kind === 'directory' ? opennessOf(entry.name, list.names, isIgnored, entry.path) : 'open'
        if (openness !== 'hidden') entries.push(entry)
        if (entry.kind === 'directory' && openness === 'open') level.push(entry.path)
      }
    }
  }
  return { entries: entries.sort(byPath), listings, isCut }
}

/**
 * What a directory of the workspace holds, at most 200 entries in order of their names; one that vanished since it was
 * listed is empty, since the workspace is in use.
 */
export async function listProjectDirectory(
  sandbox: Sandbox,
  path: string,
): Promise<Listing & { readonly entries: readonly FileEntry[] }> {
  try {
    const { entries, truncated } = await sandbox.list(path === '' ? '.' : path, { depth: 1, limit: MAX_ENTRIES_EACH })
    const sorted = [...entries].sort(byPath)
    return { entries: sorted, names: new Set(sorted.map((entry) => entry.name)), isCut: truncated }
  } catch (error) {
    if (path !== '' && error instanceof AppError && error.code === 'sandbox_bad_request')
      return { entries: [], names: new Set(), isCut: false }
    throw error
  }
}

/** A directory comes directly before what is in it: `src`, `src/a`, `src.ts`. */
function byPath(a: FileEntry, b: FileEntry): number {
  return a.path.replaceAll('/', '\0') < b.path.replaceAll('/', '\0') ? -1 : 1
}
