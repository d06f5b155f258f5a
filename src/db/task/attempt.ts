import type { NewEvent } from '../../events/topics.ts'
import { taskOver } from '../../shared/refusals.ts'
import type { Phase } from '../../shared/task.ts'
import { workflowIdFor } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { callAsAttempt, inAttempt, inTask, type Tx } from '../transaction.ts'
import { type Task, type TaskRow, toTask } from './tasks.ts'

/** Where an event of a task belongs. */
export interface TaskScope {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
}

/**
 * One attempt of an activity at a task, and the only way to write for it. Everything that it writes is refused with
 * `lease_lost` (final) from the moment at which a later attempt takes the task over, and with `store_unavailable`
 * (retryable) while Postgres is away.
 */
export class Attempt {
  /** For what is read; an attempt that was replaced may still read. */
  readonly db: Db
  /** The task as it was when this attempt took it over. */
  readonly task: Task
  readonly scope: TaskScope
  /** The fencing token: no other attempt at any task of the project has it, and later ones have higher ones. */
  readonly lease: number

  constructor(db: Db, task: Task) {
    this.db = db
    this.task = task
    this.scope = { projectId: task.projectId, conversationId: task.conversationId, taskId: task.id }
    this.lease = task.lease
  }

  /** Runs `work` in a transaction that has locked project and task; whatever it throws rolls everything back. */
  async tx<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await inAttempt(this.db, { ...this.scope, lease: this.lease }, work)
  }

  /** Calls a function of the migrations that does all of {@link tx} by itself; throws also what the function refuses. */
  async call(name: 'store_reply', values: readonly unknown[], events: readonly NewEvent[]): Promise<void> {
    await callAsAttempt(this.db, { ...this.scope, lease: this.lease }, name, values, events)
  }

  /** Stores events that change nothing else. One whose key is stored already is ignored. */
  async emit(...events: NewEvent[]): Promise<void> {
    await this.tx(async (tx) => tx.emit(...events))
  }
}

/**
 * Takes the task over: raises its fencing token, so that everything an older attempt still tries to write is refused,
 * and notes the phase. Tokens of all tasks of a project are numbered together, so that its sandbox can compare them. `by`
 * names the activity and Temporal's count of its attempts, from 1. `events` go along. Throws `task_over` (final) once the
 * task has ended. Each call is a new attempt.
 */
export async function acquireLease(
  db: Db,
  ref: { readonly taskId: string; readonly projectId: string },
  by: { readonly activity: string; readonly attempt: number },
  phase: Phase,
  events: (scope: TaskScope) => readonly NewEvent[] = () => [],
): Promise<Attempt> {
  return await inTask(db, ref, async (tx) => {
    const [row] = await tx.query<TaskRow & { is_first: boolean }>(
      `WITH waited AS (
         UPDATE budget_waits SET ended_at = greatest(began_at, now()) WHERE task_id = $1 AND ended_at IS NULL),
       raised AS (
         -- During a release a worker of the version before raises the task's number alone.
         UPDATE projects SET lease = greatest(lease, (SELECT lease FROM tasks WHERE id = $1)) + 1 WHERE id = $3
         RETURNING lease)
       UPDATE tasks SET lease = raised.lease, phase = $2, started_at = coalesce(started_at, now()),
         status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelling'
           WHEN status IN ('accepted', 'needs_budget', 'needs_answer') THEN 'running' ELSE status END
       FROM raised WHERE id = $1 AND status NOT IN ('completed', 'failed', 'cancelled')
       RETURNING tasks.*, (SELECT before.lease = 0 FROM tasks before WHERE before.id = $1) AS is_first`,
      [ref.taskId, phase, ref.projectId],
    )
    if (!row) throw taskOver()
    const attempt = new Attempt(db, toTask(row))
    const { task, scope } = attempt
    if (row.is_first) {
      tx.emit({
        type: 'task.started',
        key: `task.started:${task.id}`,
        scope,
        payload: { workflowId: workflowIdFor(task.id), model: task.model },
      })
    } else if (by.attempt > 1 && !(await endedByRetry(tx, task.id))) {
      tx.emit({
        type: 'task.resumed',
        key: `task.resumed:${task.id}:${task.lease}`,
        scope,
        payload: { activity: by.activity, attempt: by.attempt },
      })
    }
    tx.emit(...events(scope))
    return attempt
  })
}

/** Whether the attempt before said itself that it would be retried; otherwise it died or was handed over. */
async function endedByRetry(tx: Tx, taskId: string): Promise<boolean> {
  const [last] = await tx.query<{ type: string; key: string }>(
    'SELECT type, key FROM events WHERE task_id = $1 ORDER BY seq DESC LIMIT 1',
    [taskId],
  )
  // An attempt that waited for the model inside a call said so too, and died if it is gone.
  return last?.type === 'model.retrying' && !last.key.startsWith('model.waiting:')
}
