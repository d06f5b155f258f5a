/** What a search leaves out unless it is named: what package managers install, and git's own directory. */

import { posix } from 'node:path'
import type { Sandbox } from '../sandbox/types.ts'
import { BUILT_NAMES, CACHE_NAMES, DEPENDENCY_NAMES, ENVIRONMENT_NAMES } from '../shared/places.ts'

/** Wherever they lie. Build output is searched like any directory: only .gitignore tells it from source of that name. */
const INSTALLED = [...DEPENDENCY_NAMES, ...CACHE_NAMES, ...BUILT_NAMES]
const MAX_ENTRIES = 2_000
/** A larger .gitignore is read by no search. */
const MAX_RULES_BYTES = 1024 * 1024

/** What ripgrep is told to leave out, and what the model is told of it. */
export interface SearchExclusions {
  /** Arguments for ripgrep; later globs win over earlier ones. */
  readonly globs: readonly string[]
  /** The names of directories, at any depth, that `globs` leave out. */
  readonly names: readonly string[]
  /**
   * A line for the answer, when something that lies right in the directory searched is left out; else null. What .gitignore
   * names is left out unless it is no plain file and the search did not `read` all ignore files.
   */
  noteOf(read: boolean): string | null
}

/**
 * What a search of `base` leaves out. Directories that the caller `named` (in its path or glob) are searched. Throws what
 * the sandbox throws. Safe to repeat.
 */
export async function findSearchExclusions(sandbox: Sandbox, base: string, named: string): Promise<SearchExclusions> {
  const parts = new Set(named.split('/'))
  const installed = INSTALLED.filter((name) => !parts.has(name))
  const globs = ['--glob=!.git', ...installed.map((name) => `--glob=!**/${name}/**`)]
  const { entries } = await sandbox.list(base === '.' ? '' : base, { depth: 1, limit: MAX_ENTRIES })
  const present = new Set(entries.map(({ name }) => name))
  /** Left out where they hold a virtual environment. */
  const environments: string[] = []
  for (const name of ENVIRONMENT_NAMES) {
    if (!present.has(name) || parts.has(name)) continue
    if ((await sandbox.stat(posix.join(base, name, 'pyvenv.cfg'))) !== null) environments.push(name)
  }
  globs.push(...environments.map((name) => `--glob=!/${name}/**`))
  const told = [...installed.filter((name) => present.has(name)), ...environments].map((name) => `${name}/`)
  const rules = entries.find(({ name, kind }) => name === '.gitignore' && kind !== 'directory')
  const isPlain = rules?.kind === 'file' && rules.sizeBytes <= MAX_RULES_BYTES
  const noteOf = (read: boolean): string | null => {
    const all = rules !== undefined && (read || isPlain) ? [...told, 'what .gitignore names'] : told
    return all.length === 0 ? null : `(not searched: ${all.join(', ')}; give such a directory as path to search it)`
  }
  return { globs, names: installed, noteOf }
}
