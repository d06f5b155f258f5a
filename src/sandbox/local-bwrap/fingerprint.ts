/**
 * A fingerprint of the places that checkpoints do not hold: one short hash a file of its path, mode, size, times and inode.
 * ctime cannot be set by a program, so nothing that was rewritten looks as before. No content is read.
 */

import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { LeftOutKind } from '../../shared/left-out.ts'
import { type ByteName, type OpenDirectory, openChild, openRoot, readNames, statChild } from './descriptors.ts'
import { breathe } from './files.ts'
import { isCacheName } from './left-out-rules.ts'
import type { LeftOutPlace } from './snapshot.ts'

/** Files that are looked at in one fingerprint, in all; what is beyond goes unnoticed, which the documentation says. */
export const MAX_FINGERPRINT_FILES = 200_000
const MAX_DEPTH = 128
const MAX_NAMES = 50_000
const ENTRIES_PER_BREATH = 500

/** Of a project's own git what steers it. Objects, index and logs move with every harmless command. */
const GIT_PARTS = ['HEAD', 'packed-refs', 'refs', 'info', 'modules', 'worktrees', 'shallow']
/** `.git/config` and `.git/hooks` are in checkpoints; below `modules` there are others. */
const GIT_MOVING = /(^|\/)(objects|logs|index|[^/]*\.lock|FETCH_HEAD|ORIG_HEAD|COMMIT_EDITMSG)(\/|$)/

/** Hexadecimal digits of a file's hash; one more character says whether it lies in a cache. */
const HASH_CHARACTERS = 15
/** Length of a file's print. */
export const PRINT_CHARACTERS = HASH_CHARACTERS + 1
const IN_CACHE = 'c'
const OUTSIDE_CACHE = 'f'

/** What a left-out place held, as hashes: enough to say what changed in it, not what it was. */
export interface PlacePrint {
  readonly kind: LeftOutKind
  /** Each file's print, and where the file is. */
  readonly files: ReadonlyMap<string, ByteName>
}

/** Whether a file's print says that it lies in a cache. Pure. */
export function isCachePrint(print: string): boolean {
  return print.endsWith(IN_CACHE)
}

interface Visit {
  readonly place: LeftOutPlace
  readonly into: Map<string, ByteName>
  readonly isCache: boolean
  readonly depth: number
}

/** Fingerprints of left-out places by path. Never throws for what lies in the workspace. */
export async function fingerprint(
  workspace: string,
  places: readonly LeftOutPlace[],
): Promise<ReadonlyMap<ByteName, PlacePrint>> {
  const prints = new Map<ByteName, PlacePrint>()
  const root = openRoot(workspace)
  if (root === null) return prints
  let seen = 0

  const note = (into: Map<string, ByteName>, at: ByteName, stat: Stats, isCache: boolean) => {
    const numbers = `${stat.mode} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`
    const hash = createHash('sha1').update(`${at}\0${numbers}`, 'latin1').digest('hex').slice(0, HASH_CHARACTERS)
    into.set(hash + (isCache ? IN_CACHE : OUTSIDE_CACHE), at)
  }

  const visit = async (parent: OpenDirectory, name: ByteName, at: ByteName, state: Visit): Promise<void> => {
    if (++seen % ENTRIES_PER_BREATH === 0) await breathe()
    const stat = seen > MAX_FINGERPRINT_FILES ? null : statChild(parent, name)
    if (stat === null || (state.place.kind === 'git' && GIT_MOVING.test(at.slice(state.place.path.length)))) return
    if (!stat.isDirectory()) {
      if (!state.place.isTracked(at)) note(state.into, at, stat, state.isCache)
      return
    }
    const directory = state.depth > MAX_DEPTH ? null : openChild(parent, name)
    const names = directory === null ? null : readNames(directory, MAX_NAMES)
    try {
      // One that cannot be read, or has too many names, is known by its own numbers.
      if (directory === null || names === null || names === 'many') return note(state.into, at, stat, state.isCache)
      for (const inner of names) {
        const isCache = state.isCache || isCacheName(inner)
        await visit(directory, inner, `${at}/${inner}`, { ...state, isCache, depth: state.depth + 1 })
      }
    } finally {
      directory?.close()
    }
  }

  try {
    for (const place of places) {
      const into = new Map<string, ByteName>()
      const parent = openBelow(root, place.path)
      if (parent === null) continue
      try {
        const isCache = place.kind === 'cache'
        const state = { place, into, isCache, depth: 0 }
        if (place.kind !== 'git') await visit(parent.directory, parent.name, place.path, state)
        else await eachGitPart(parent.directory, (git, part) => visit(git, part, `${place.path}/${part}`, state))
      } finally {
        parent.close()
      }
      prints.set(place.path, { kind: place.kind, files: into })
    }
    return prints
  } finally {
    root.close()
  }
}

async function eachGitPart(
  parent: OpenDirectory,
  visit: (git: OpenDirectory, part: ByteName) => Promise<void>,
): Promise<void> {
  const git = openChild(parent, '.git')
  if (git === null) return
  try {
    for (const part of GIT_PARTS) await visit(git, part)
  } finally {
    git.close()
  }
}

/** The directory that a path lies in. */
function openBelow(root: OpenDirectory, at: ByteName) {
  const names = at === '.' ? ['.'] : at.split('/')
  const name = names.pop() ?? ''
  const opened: OpenDirectory[] = []
  const close = () => {
    for (const each of opened.reverse()) each.close()
  }
  for (const each of names) {
    const child = openChild(opened.at(-1) ?? root, each)
    if (child === null) {
      close()
      return null
    }
    opened.push(child)
  }
  return { directory: opened.at(-1) ?? root, name, close }
}
