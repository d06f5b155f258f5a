import type { Db } from '../db/client.ts'
import { knownSandboxIds } from '../db/workspace/sandboxes.ts'
import type { Log } from '../logger.ts'
import type { SandboxProvider, SandboxRef } from '../sandbox/types.ts'

/** A sandbox this young may be one that its maker has not recorded yet. */
const GRACE_MS = 120_000

/**
 * Ends sandboxes of this installation that no project has: left by a process that died between making one and recording
 * it, or replaced. With the sweep every five minutes a stranger lives for seven at most. A provider that cannot be reached
 * is left for the next sweep. Safe to repeat and to run in several workers at once.
 */
export async function endStrangers(db: Db, provider: SandboxProvider, log: Log, graceMs = GRACE_MS): Promise<number> {
  let ended = 0
  try {
    const found: SandboxRef[] = []
    for await (const { ref, createdAt } of provider.list()) if (Date.now() - createdAt > graceMs) found.push(ref)
    if (found.length === 0) return 0
    // Read after the list: what was recorded meanwhile is known.
    const known = await knownSandboxIds(db, provider.kind)
    for (const ref of found) {
      if (known.has(ref.id)) continue
      await provider.destroy(ref)
      ended += 1
      log.warn({ projectId: ref.projectId, generation: ref.generation }, 'a sandbox that no project has was ended')
    }
  } catch (error) {
    log.warn({ err: error, provider: provider.kind }, 'strange sandboxes are left for the next sweep')
  }
  return ended
}
