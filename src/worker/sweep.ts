/** Clean state by schedule: sandboxes of deleted projects, old events, ended exec directories. */

import type { Db } from '../db/client.ts'
import { pruneEvents } from '../db/retention.ts'
import { forgetSandbox, orphanedSandboxes } from '../db/sandboxes.ts'
import type { Log } from '../logger.ts'
import type { SandboxProvider } from '../sandbox/types.ts'

export interface SweepDeps {
  readonly db: Db
  readonly provider: SandboxProvider
  readonly log: Log
  readonly everyMs: number
  readonly eventDays: number
  readonly execHours: number
}

export interface Sweep {
  /** Waits for a sweep under way. */
  close(): Promise<void>
}

/** Sweeps at once and then every `everyMs`; a failing sweep is logged and tried again. Several workers may sweep at once. */
export function startSweep(deps: SweepDeps): Sweep {
  let running: Promise<void> | undefined
  const sweep = () => {
    running ??= sweepOnce(deps)
      .catch((error: unknown) => deps.log.warn({ err: error }, 'a sweep failed'))
      .finally(() => {
        running = undefined
      })
  }
  const timer = setInterval(sweep, deps.everyMs)
  timer.unref()
  sweep()
  return {
    async close() {
      clearInterval(timer)
      await running
    },
  }
}

async function sweepOnce({ db, provider, log, eventDays, execHours }: SweepDeps): Promise<void> {
  for (const row of await orphanedSandboxes(db)) {
    if (row.ref && row.ref.kind !== provider.kind) continue
    if (row.ref) await provider.destroy(row.ref)
    await forgetSandbox(db, row.projectId)
    log.info({ projectId: row.projectId }, 'the sandbox of a deleted project was destroyed')
  }
  const pruned = await pruneEvents(db, eventDays)
  if (pruned > 0) log.info({ events: pruned }, 'old events were removed')
  const commands = await provider.prune(execHours * 3_600_000)
  if (commands > 0) log.info({ commands }, 'records of old commands were removed')
}
