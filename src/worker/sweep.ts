/** Clean state by schedule: sandboxes of deleted projects, old events, ended exec directories; tasks that wait for a new day. */

import type { Db } from '../db/client.ts'
import { eraseDeletedProjects } from '../db/project/erase-projects.ts'
import { pruneEvents } from '../db/stream/retention.ts'
import { wakeForNewDay } from '../db/task/budgets.ts'
import { unfinishedAmong } from '../db/task/tasks.ts'
import { pruneForkedFiles } from '../db/workspace/forks.ts'
import { noteChecked, prunableSandboxes } from '../db/workspace/prune-checkpoints.ts'
import { forgetSandbox, orphanedSandboxes } from '../db/workspace/sandboxes.ts'
import type { Log } from '../logger.ts'
import type { Restorer } from '../restore/restorer.ts'
import type { SandboxProviders } from '../sandbox/providers.ts'
import type { SandboxRef } from '../sandbox/types.ts'
import { endStrangers } from './janitor.ts'

/**
 * What a sweep works with. `eventDays` and `execHours`: how long ended things are kept; `everyMs`: the pause between
 * two.
 */
export interface SweepDeps {
  readonly db: Db
  readonly restorer: Pick<Restorer, 'settleAll'>
  readonly provider: SandboxProviders
  readonly log: Log
  readonly everyMs: number
  readonly eventDays: number
  readonly execHours: number
  /** Has the outbox swept at once. Must not throw. */
  sweepOutbox(): void
}

/** Files of a deleted project are gone within about this time, however seldom the rest is swept. */
const DELETION_MS = 10_000
/** What a sandbox's checkpoints may take on disk beside those that are always kept. */
const MAX_CHECKPOINT_BYTES = 64 * 1024 * 1024
/** A checkpoint is recorded within this time after it was taken. */
const UNRECORDED_MS = 15_000

/** The sweeps of one worker. */
export interface Sweep {
  /** Waits for a sweep under way. */
  close(): Promise<void>
}

/**
 * Sweeps at once and then every `everyMs`, deleted projects at least every ten seconds; a failing sweep is logged and tried
 * again. Several workers may sweep at once.
 */
export function startSweep(deps: SweepDeps): Sweep {
  const sweeps = [
    repeat(deps, deps.everyMs, () => sweepOnce(deps)),
    repeat(deps, Math.min(deps.everyMs, DELETION_MS), () => destroyOrphans(deps)),
  ]
  return {
    async close() {
      await Promise.all(sweeps.map((sweep) => sweep.close()))
    },
  }
}

/** Runs `work` at once and then by the clock, never twice at the same time. */
function repeat({ log }: SweepDeps, everyMs: number, work: () => Promise<void>): Sweep {
  let running: Promise<void> | undefined
  const run = () => {
    running ??= work()
      .catch((error: unknown) => log.warn({ err: error }, 'a sweep failed'))
      .finally(() => {
        running = undefined
      })
  }
  const timer = setInterval(run, everyMs)
  timer.unref()
  run()
  return {
    async close() {
      clearInterval(timer)
      await running
    },
  }
}

async function sweepOnce(deps: SweepDeps): Promise<void> {
  const { db, restorer, provider, log, eventDays, execHours, sweepOutbox } = deps
  if ((await wakeForNewDay(db)) > 0) sweepOutbox()
  await restorer.settleAll()
  await pruneForkedFiles(db)
  if (provider.kinds.includes('e2b')) await endStrangers(db, provider.of('e2b'), log)
  await pruneCheckpoints(deps)
  const pruned = await pruneEvents(db, eventDays)
  if (pruned > 0) log.info({ events: pruned }, 'old events were removed')
  const erased = await eraseDeletedProjects(db, eventDays)
  if (erased > 0) log.info({ projects: erased }, 'the texts of deleted projects were erased')
  const commands = await provider.prune(execHours * 3_600_000, (taskIds) => unfinishedAmong(db, taskIds))
  if (commands > 0) log.info({ commands }, 'records of old commands were removed')
}

async function destroyOrphans({ db, provider, log }: SweepDeps): Promise<void> {
  for (const row of await orphanedSandboxes(db)) {
    if (row.ref && !provider.kinds.includes(row.ref.kind)) continue
    try {
      for (const ref of row.ref ? [row.ref] : await unrecorded(provider, row.projectId)) await provider.destroy(ref)
    } catch (error) {
      // One that cannot be reached must not keep the others.
      log.warn({ err: error, projectId: row.projectId }, 'the sandbox of a deleted project is left for the next sweep')
      continue
    }
    await forgetSandbox(db, row.projectId)
    log.info({ projectId: row.projectId }, 'the sandbox of a deleted project was destroyed')
  }
}

/** Gives up the files of checkpoints that are old, many or large; never where a task begins or ends, or what a restore names. */
async function pruneCheckpoints({ db, provider, log, eventDays }: SweepDeps): Promise<void> {
  const before = new Date(Date.now() - UNRECORDED_MS)
  for (const { projectId, ref, keep, newestFirst } of await prunableSandboxes(db, eventDays)) {
    if (!provider.kinds.includes(ref.kind)) continue
    try {
      const sandbox = await provider.open(ref)
      const ask = { keep, newestFirst, maxBytes: MAX_CHECKPOINT_BYTES, sinceMs: before.getTime() }
      const dropped = new Set(await sandbox.pruneCheckpoints?.(ask))
      await noteChecked(db, projectId, [...keep, ...newestFirst.filter((tree) => !dropped.has(tree))], before)
      if (dropped.size > 0) log.info({ projectId, checkpoints: dropped.size }, 'old checkpoints were given up')
    } catch (error) {
      // One that cannot be reached must not keep the others.
      log.warn({ err: error, projectId }, 'the checkpoints of a sandbox could not be cleared up')
    }
  }
}

/** Sandboxes that were made for a project and never recorded, since filling them failed or its process died. */
async function unrecorded(provider: SandboxProviders, projectId: string): Promise<SandboxRef[]> {
  const refs: SandboxRef[] = []
  // E2B's own are found by the janitor.
  for (const kind of provider.kinds) {
    if (kind === 'e2b') continue
    for await (const { ref } of provider.of(kind).list()) if (ref.projectId === projectId) refs.push(ref)
  }
  return refs
}
