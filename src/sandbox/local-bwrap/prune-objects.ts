/** Clears up a sandbox's checkpoints: objects that no kept tree reaches are removed. Only within `inTurn`. */

import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { TREE_HASH } from '../tree-hash.ts'
import type { PruneAsk } from '../types.ts'
import { isDirectoryMode, isLargeMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import { decodePointer } from './large-files.ts'
import { EMPTY_TREE, type ObjectStore, objectPath } from './objects.ts'
import { loadStatCache, saveStatCache } from './stat-cache.ts'
import { beginGeneration } from './store-generation.ts'

const FILES_PER_BREATH = 200

interface Reached {
  readonly objects: Set<string>
  /** Contents of large files, by their SHA-256. */
  readonly large: Set<string>
}

/**
 * Keeps the trees of `keep`, those that were the workspace's since `sinceMs`, and of `newestFirst` as many as fit into
 * `maxBytes` together with the others. Returns those of `newestFirst` that are gone. Safe to repeat.
 */
export async function pruneObjects(gitDir: string, store: ObjectStore, ask: PruneAsk): Promise<string[]> {
  const reached: Reached = { objects: new Set(), large: new Set() }
  const cache = await loadStatCache(gitDir)
  const cached = cache.get('')?.tree
  const always = [...ask.keep, ...(await treesSince(gitDir, ask.sinceMs)), ...(cached === undefined ? [] : [cached])]
  let bytes = 0
  for (const tree of always) bytes += await reach(gitDir, store, tree, reached)
  const dropped: string[] = []
  let isFull = false
  for (const tree of ask.newestFirst) {
    if (reached.objects.has(tree)) continue
    const more: Reached = { objects: new Set(reached.objects), large: new Set(reached.large) }
    const added: number = isFull ? 0 : await reach(gitDir, store, tree, more)
    const isThere = more.objects.has(tree)
    isFull ||= isThere && bytes + added > ask.maxBytes
    if (isFull || !isThere) {
      dropped.push(tree)
      continue
    }
    bytes += added
    for (const hash of more.objects) reached.objects.add(hash)
    for (const sha256 of more.large) reached.large.add(sha256)
  }
  const generation = beginGeneration(gitDir)
  store.forget()
  await removeUnreached(gitDir, reached)
  // All that it names was kept.
  if (cached !== undefined) saveStatCache(gitDir, cache, generation)
  return dropped
}

/** Adds all that a tree reaches, and returns the bytes on disk of what was not reached before; a tree that is gone has none. */
async function reach(gitDir: string, store: ObjectStore, tree: string, reached: Reached): Promise<number> {
  if (reached.objects.has(tree) || !TREE_HASH.test(tree)) return 0
  const entries = await store.readTree(tree).catch(() => null) // removed before, or of a sandbox that was lost
  if (entries === null) return 0
  reached.objects.add(tree)
  let bytes = tree === EMPTY_TREE ? 0 : await sizeOf(objectPath(gitDir, tree))
  for (const [index, { mode, hash }] of entries.entries()) {
    if (index % FILES_PER_BREATH === 0) await breathe()
    if (isDirectoryMode(mode)) bytes += await reach(gitDir, store, hash, reached)
    else if (!reached.objects.has(hash)) {
      reached.objects.add(hash)
      bytes += await sizeOf(objectPath(gitDir, hash))
      const pointer = isLargeMode(mode) ? decodePointer(await store.readBlob(hash)) : null
      if (pointer === null || reached.large.has(pointer.sha256)) continue
      reached.large.add(pointer.sha256)
      bytes += await sizeOf(path.join(gitDir, 'large', pointer.sha256))
    }
  }
  return bytes
}

async function sizeOf(file: string): Promise<number> {
  // One that is not there takes no room.
  return (await stat(file).catch(() => null))?.size ?? 0
}

async function namesIn(directory: string): Promise<string[]> {
  // Not made yet.
  return await readdir(directory).catch(() => [])
}

async function treesSince(gitDir: string, sinceMs: number): Promise<string[]> {
  const recent: string[] = []
  for (const tree of await namesIn(path.join(gitDir, 'exact'))) {
    const found = await stat(path.join(gitDir, 'exact', tree)).catch(() => null)
    if (found !== null && found.mtimeMs >= sinceMs) recent.push(tree)
  }
  return recent
}

async function removeUnreached(gitDir: string, { objects, large }: Reached): Promise<void> {
  for (const part of await namesIn(path.join(gitDir, 'objects'))) {
    const directory = path.join(gitDir, 'objects', part)
    for (const [index, name] of (await namesIn(directory)).entries()) {
      if (index % FILES_PER_BREATH === 0) await breathe()
      if (!objects.has(part + name)) await rm(path.join(directory, name), { force: true })
    }
  }
  for (const name of await namesIn(path.join(gitDir, 'large'))) {
    if (!large.has(name)) await rm(path.join(gitDir, 'large', name), { force: true })
  }
  for (const tree of await namesIn(path.join(gitDir, 'exact'))) {
    if (!objects.has(tree)) await rm(path.join(gitDir, 'exact', tree), { force: true })
  }
}
