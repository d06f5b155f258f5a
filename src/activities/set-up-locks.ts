import { createHash } from 'node:crypto'
import type { Sandbox } from '../sandbox/types.ts'
import type { PlannedSetup } from './planned-set-up.ts'

const MAX_LOCK_BYTES = 8 * 1024 * 1024

/** The lock files among `paths` that are small enough to be held, by path. Throws the `sandbox_*` codes; safe to repeat. */
export async function readLocks(sandbox: Sandbox, paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const locks = new Map<string, Uint8Array>()
  for (const path of paths) {
    const { data, sizeBytes } = await sandbox.read(path, { maxBytes: MAX_LOCK_BYTES })
    if (data.length === sizeBytes) locks.set(path, data)
  }
  return locks
}

/**
 * A set-up installs what a lock file says and leaves the file as it was; the paths that had to be put back. `texts`: their
 * contents; those that nobody read in time are taken from the tree. Throws the `sandbox_*` codes; safe to repeat.
 */
export async function putBackLocks(
  { sandbox, plan }: PlannedSetup,
  texts: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  const changed: string[] = []
  for (const [path, hash] of Object.entries(plan.locks)) {
    const stat = await sandbox.stat(path)
    const isSmall = stat?.kind === 'file' && stat.sizeBytes <= MAX_LOCK_BYTES
    const now = isSmall ? (await sandbox.read(path, { maxBytes: MAX_LOCK_BYTES })).data : null
    if (now !== null && createHash('sha256').update(now).digest('hex') === hash) continue
    const before = texts.get(path)
    if (before === undefined) await sandbox.restore(plan.tree, [path])
    else await sandbox.write([{ path, data: before }])
    changed.push(path)
  }
  return changed
}
