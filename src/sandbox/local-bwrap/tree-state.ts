/**
 * Checkpoints of one sandbox: the objects, what the last walk saw, which trees are exact. Several sandbox objects of a
 * process share one, so that what a walk learnt is not learnt again; a few recently used ones are kept.
 */

import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { checkTrees } from '../tree-hash.ts'
import type { LooseTrees } from '../types.ts'
import { adoptTree, type CheckpointStores } from './adopt-tree.ts'
import { legacyTree } from './compare-trees.ts'
import type { ByteName } from './descriptors.ts'
import { isMissing, writeWhole } from './job-files.ts'
import { createLargeFiles } from './large-files.ts'
import type { SandboxPaths } from './layout.ts'
import { KnownCounts } from './list-changes.ts'
import { createDiskGuard, createObjectStore } from './objects.ts'
import { type LeftOutPlace, type Snapshot, takeSnapshot } from './snapshot.ts'
import { countNames, loadStatCache, type StatCache, saveStatCache } from './stat-cache.ts'
import { readGeneration } from './store-generation.ts'
import { unlockWorkspace } from './unlock-workspace.ts'

/** The cache is written again once so many files were read since, or this part of it. */
const MIN_SAVED_CHANGES = 500
const SAVED_PART = 0.02
/** Names that the caches of one process hold in all; a name takes about 200 bytes. */
const MAX_CACHED_NAMES = 400_000
const MAX_STATES = 64

/** What a process knows of one sandbox's checkpoints. Losing it costs time only. */
export interface TreeState extends CheckpointStores {
  readonly counts: KnownCounts
  /** Walks the workspace and stores its tree. Only within `inTurn` of this git directory. */
  take(): Promise<Snapshot>
  /** The places that the last walk left out; null when this process has not walked yet. */
  lastLeftOut(): readonly LeftOutPlace[] | null
  /** Takes a checkpoint of another sandbox over, see adopt-tree.ts. Only within `inTurn` of this git directory. */
  adopt(from: LooseTrees, tree: string, base: string): Promise<string>
  /** Two trees as they can be compared: when a version before this one made either, as that version saw both. */
  comparable(from: string, to: string): Promise<{ from: string; to: string; isExact: boolean }>
  /** Notes which build output belongs to the source from now on, since a restore brought it. */
  addSources(paths: readonly ByteName[]): void
  /** How many names the cache holds. */
  size(): number
}

function createTreeState(paths: SandboxPaths, minFreeBytes: number): TreeState {
  const gitDir = paths.shadow
  const checkDisk = createDiskGuard(gitDir, minFreeBytes)
  const store = createObjectStore(gitDir, checkDisk)
  const large = createLargeFiles(gitDir, checkDisk)
  let cache: StatCache | null = null
  let unsaved = 0
  let generation = readGeneration(gitDir)
  let leftOut: readonly LeftOutPlace[] | null = null

  /** What another process removed is not known to be stored any more. */
  const refresh = async (): Promise<StatCache> => {
    const now = readGeneration(gitDir)
    if (now !== generation) {
      generation = now
      store.forget()
      cache = null
    }
    cache ??= await loadStatCache(gitDir)
    return cache
  }

  const state: TreeState = {
    store,
    large,
    counts: new KnownCounts(),
    async adopt(from, tree, base) {
      await refresh()
      const adopted = await adoptTree(state, from, tree, base)
      noteExact(gitDir, adopted)
      return adopted
    },
    async take() {
      unlockWorkspace(paths.workspace)
      const known = await refresh()
      const decided = readSources(gitDir)
      // In a sandbox of a version before this one nobody knows what a build made since.
      const sources = decided ?? (hasOldCheckpoints(gitDir) ? new Set<ByteName>() : null)
      const isSource = (at: ByteName) => sources === null || sources.has(at)
      const snapshot = await takeSnapshot({ workspace: paths.workspace, store, large, isSource }, known)
      if (snapshot === null) throw new AppError('sandbox_gone', 'the workspace does not exist any more')
      // The first checkpoint decides: build output that came with the project is part of its source.
      if (decided === null) decideSources(gitDir, sources === null ? snapshot.buildDirectories : [])
      noteExact(gitDir, snapshot.tree)
      leftOut = snapshot.leftOut
      unsaved += snapshot.readFiles
      if (unsaved > Math.max(MIN_SAVED_CHANGES, countNames(known) * SAVED_PART)) {
        saveStatCache(gitDir, known, generation)
        unsaved = 0
      }
      return snapshot
    },
    lastLeftOut: () => leftOut,
    async comparable(from, to) {
      checkTrees(from, to)
      if (isExact(gitDir, from) && isExact(gitDir, to)) return { from, to, isExact: true }
      return { from: await legacyTree(store, from), to: await legacyTree(store, to), isExact: false }
    },
    addSources(added) {
      const sources = readSources(gitDir) ?? new Set()
      if (added.every((each) => sources.has(each))) return
      writeSources(gitDir, [...sources, ...added])
    },
    size: () => (cache === null ? 0 : countNames(cache)),
  }
  return state
}

function exactFile(gitDir: string, tree: string): string {
  return path.join(gitDir, 'exact', tree)
}

/** Notes that a tree says all that this version keeps; the file's time says when it was last the workspace's. */
function noteExact(gitDir: string, tree: string): void {
  const file = exactFile(gitDir, tree)
  const now = new Date()
  try {
    utimesSync(file, now, now)
  } catch (error) {
    if (!isMissing(error)) throw error
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, '', { mode: 0o600 })
  }
}

/**
 * Whether a tree was stored by a version that keeps modes and empty directories, so that a restore may rely on them.
 */
export function isExact(gitDir: string, tree: string): boolean {
  return existsSync(exactFile(gitDir, tree))
}

function sourcesFile(gitDir: string): string {
  return path.join(gitDir, 'source-directories')
}

/** Directories that look like build output and belong to the source; null: that was not decided yet. */
function readSources(gitDir: string): Set<ByteName> | null {
  try {
    // Our own file, written whole.
    return new Set(JSON.parse(readFileSync(sourcesFile(gitDir), 'utf8')) as ByteName[])
  } catch (error) {
    if (!isMissing(error)) throw error
    return null
  }
}

function hasOldCheckpoints(gitDir: string): boolean {
  return !existsSync(path.join(gitDir, 'exact')) && readdirSync(path.join(gitDir, 'objects')).length > 0
}

function writeSources(gitDir: string, sources: readonly ByteName[]): void {
  writeWhole(sourcesFile(gitDir), JSON.stringify(sources))
}

/** As {@link writeSources}, unless it was decided meanwhile: a frozen process may come here long after its turn was taken. */
function decideSources(gitDir: string, sources: readonly ByteName[]): void {
  const fresh = `${sourcesFile(gitDir)}.${randomBytes(6).toString('hex')}`
  writeFileSync(fresh, JSON.stringify(sources), { mode: 0o600 })
  try {
    linkSync(fresh, sourcesFile(gitDir))
  } catch (error) {
    if (!existsSync(sourcesFile(gitDir))) throw error
  } finally {
    rmSync(fresh, { force: true })
  }
}

/** The states of one process; `forget` is for a sandbox that was removed. */
export interface TreeStates {
  /** The state of a sandbox, the same one for all who ask in this process. */
  of(paths: SandboxPaths): TreeState
  forget(paths: SandboxPaths): void
}

/** Keeps the states of a process; those that were not used for the longest time are dropped when there are too many names. */
export function createTreeStates(minFreeBytes: number): TreeStates {
  const states = new Map<string, TreeState>()
  return {
    of(paths) {
      const state = states.get(paths.base) ?? createTreeState(paths, minFreeBytes)
      states.delete(paths.base)
      states.set(paths.base, state)
      let names = 0
      for (const [base, each] of [...states].reverse()) {
        names += each.size()
        if (base !== paths.base && (names > MAX_CACHED_NAMES || states.size > MAX_STATES)) states.delete(base)
      }
      return state
    },
    forget(paths) {
      states.delete(paths.base)
    },
  }
}
