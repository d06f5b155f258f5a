import type { Db } from '../db/client.ts'
import { deferOutbox, finishOutbox, type OutboxEntry, pruneOutbox, takeOutbox } from '../db/task/outbox.ts'
import type { Log } from '../logger.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { RecentFailure } from '../shared/recent-failure.ts'
import type { CodingTaskInput } from '../shared/task.ts'
import type { Signalled, TaskStarter } from './temporal.ts'

const SWEEP_EVERY_MS = 2_000
const BATCH = 20
/** Longer than a call to Temporal may take, so that two servers do not send the same entry at once (harmless if so). */
const HOLD_MS = 5_000
const MAX_DELAY_MS = 3_000
const REFUSED_SEND_COUNTS_MS = 5_000
const PRUNE_EVERY_MS = 3_600_000
/** Batches in one go; what is left waits for the next sweep, so that a poisoned table cannot spin. */
const MAX_BATCHES = 100

/** Sends the outbox to Temporal, in the background. */
export interface Dispatcher {
  /** What Temporal refused to take; it may answer looks and still have no room for a workflow. */
  readonly refusedSends: RecentFailure
  /** Sends what is due at once, without anybody waiting for it. */
  kick(): void
  /** Stops sweeping and waits for what is being sent. */
  close(): Promise<void>
}

/** What the dispatcher needs. */
export interface DispatcherDeps {
  readonly db: Db
  readonly temporal: TaskStarter
  readonly log: Log
  /** The input of a task's workflow, read anew at each try. */
  inputFor(taskId: string): Promise<CodingTaskInput>
}

/**
 * Tells Temporal what Postgres says it must be told. Kicked after each commit that wrote an outbox row, and by itself
 * every two seconds for rows whose process died. Sending twice is safe: workflow ids are unique, signals may repeat.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { db, log } = deps
  const refusedSends = new RecentFailure({ forMs: REFUSED_SEND_COUNTS_MS })
  let running: Promise<void> | undefined
  let again = false
  let isClosed = false
  let prunedAt = performance.now()

  const drain = async (): Promise<void> => {
    for (let batches = 0; batches < MAX_BATCHES && !isClosed; batches++) {
      again = false
      const entries = await takeOutbox(db, { limit: BATCH, holdMs: HOLD_MS })
      await Promise.all(entries.map((entry) => send(deps, entry, refusedSends)))
      if (entries.length === 0 && !again) return
    }
  }

  const kick = (): void => {
    again = true
    if (isClosed) return
    running ??= drain()
      // Postgres is away: readiness says so, and the next sweep tries again.
      .catch((error: unknown) => log.warn({ err: error }, 'the outbox could not be read'))
      .finally(() => {
        running = undefined
        // Kicked after the last look and before this.
        if (again) kick()
      })
  }

  const sweep = setInterval(() => {
    kick()
    if (performance.now() - prunedAt < PRUNE_EVERY_MS) return
    prunedAt = performance.now()
    pruneOutbox(db).catch((error: unknown) => log.warn({ err: error }, 'the outbox could not be pruned'))
  }, SWEEP_EVERY_MS)
  sweep.unref()

  return {
    refusedSends,
    kick,
    close: async () => {
      isClosed = true
      clearInterval(sweep)
      await running
    },
  }
}

async function send(deps: DispatcherDeps, entry: OutboxEntry, refusedSends: RecentFailure): Promise<void> {
  const { db, log } = deps
  const fields = { outboxId: entry.id, kind: entry.kind, taskId: entry.taskId, attempts: entry.attempts }
  try {
    hitCrashPoint('outbox.before_start')
    if ((await deliver(deps, entry)) === 'gone') log.info(fields, 'its workflow has ended')
    refusedSends.succeeded()
    hitCrashPoint('outbox.started.before_done')
    await finishOutbox(db, entry.id)
  } catch (error) {
    // Errors of ours come from Postgres.
    if (!(error instanceof AppError)) refusedSends.failed()
    log.warn({ ...fields, err: error }, 'Temporal could not be told, trying again')
    const delayMs = Math.min(250 * 2 ** Math.min(entry.attempts, 10), MAX_DELAY_MS) * (0.5 + Math.random() / 2)
    const lastError = error instanceof Error ? error.message : String(error)
    await deferOutbox(db, entry.id, { delayMs: Math.round(delayMs), lastError }).catch((cause: unknown) => {
      // The hold ends by itself, so the entry comes up again.
      log.warn({ ...fields, err: cause }, 'an outbox entry could not be put off')
    })
  }
}

async function deliver(deps: DispatcherDeps, entry: OutboxEntry): Promise<Signalled> {
  const { temporal } = deps
  const { kind, projectId, taskId, payload } = entry
  const by = typeof payload['by'] === 'string' ? payload['by'] : 'user'
  const publicationId = typeof payload['publicationId'] === 'string' ? payload['publicationId'] : undefined
  if (kind === 'set_up') {
    await temporal.startSetUp({ projectId })
    return 'told'
  }
  if (kind === 'publish') {
    await temporal.startPublish({ publicationId: publicationId ?? '', projectId })
    return 'told'
  }
  const comparisonId = typeof payload['comparisonId'] === 'string' ? payload['comparisonId'] : undefined
  if (kind === 'compare') {
    await temporal.startComparison({ comparisonId: comparisonId ?? '', projectId })
    return 'told'
  }
  if (comparisonId !== undefined) return await temporal.wakeComparison(comparisonId)
  if (kind === 'refresh' || taskId === null) {
    await temporal.startRefresh({ projectId })
    return 'told'
  }
  switch (kind) {
    case 'start':
      return await startTask(deps, taskId)
    case 'wake':
      return publicationId === undefined
        ? await temporal.wakeTask(taskId)
        : await temporal.wakePublication(publicationId)
    case 'cancel': {
      const reason = payload['reason']
      return await temporal.cancelTask(taskId, typeof reason === 'string' ? { by, reason } : { by })
    }
    case 'resolve': {
      const { publicationId: _, ...decision } = payload
      return await temporal.resolveApproval({ taskId, publicationId }, entry.id, decision)
    }
    case 'regenerate':
      return await temporal.regenerateContext(taskId, { by })
  }
}

async function startTask({ temporal, inputFor }: DispatcherDeps, taskId: string): Promise<Signalled> {
  try {
    await temporal.startTask(await inputFor(taskId))
    return 'told'
  } catch (error) {
    // Its project was deleted before Temporal could be told; the watchdog closes the task.
    if (error instanceof AppError && error.code === 'not_found') return 'gone'
    throw error
  }
}
