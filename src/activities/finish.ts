import { Context, log } from '@temporalio/activity'
import { INTERRUPTED } from '../agent/history.ts'
import { execIdFor } from '../agent/tools/exec.ts'
import { finishTools, type JournalToolCall, outputPartId, unfinishedCalls } from '../db/journal.ts'
import { acquireLease, closeTask, type TaskEnding } from '../db/lifecycle.ts'
import type { Task } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import type { NewEvent } from '../events/topics.ts'
import { writeSummaries } from '../memory/pin-memory.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Activities, FinishInput } from '../workflows/activities.ts'
import { returnWorkspace } from './borrowed-workspace.ts'
import { takeCheckpoint } from './checkpoints.ts'
import type { ActivityDeps } from './deps.ts'
import { runActivity } from './run-activity.ts'

const KEPT_OUTPUT_BYTES = 128 * 1024

/** Ends a task: its processes, its open calls, its row, its stream. */
export function createFinishActivities(deps: ActivityDeps): Pick<Activities, 'finishTask'> {
  return {
    finishTask: runActivity(async (input, { activity, attempt }) => {
      const { taskId, projectId } = input
      try {
        const { task, lease } = await acquireLease(deps.db, {
          taskId,
          projectId,
          activity,
          attempt,
          phase: 'finishing',
        })
        const killed = input.kind === 'completed' ? [] : await stopEverything(deps, task, lease)
        hitCrashPoint('finish.before_commit')
        const requestedAt = await cancelTimeOf(deps, input, task)
        const closed = await closeTask(deps.db, lease, endingOf(input, killed, requestedAt))
        hitCrashPoint('finish.committed')
        if (closed) {
          deps.sweepOutbox()
          await summarize(deps, taskId)
        }
        return closed
      } catch (error) {
        // An earlier attempt closed the task and died before it could say so.
        if (error instanceof AppError && error.code === 'task_over') return true
        throw error
      }
    }),
  }
}

/** For the conversation's later tasks. The task is over: one whose summary fails gets it when a later task needs it. */
async function summarize(deps: ActivityDeps, taskId: string): Promise<void> {
  try {
    await writeSummaries(deps.db, [taskId])
  } catch (error) {
    log.warn('the task has no summary yet', { taskId, error })
  }
}

type Killed = { readonly toolUseId: string; readonly command: string }

/**
 * When a cancellation that the server knows nothing of was asked for: messages that were posted after it are not part of
 * what is cancelled. Undefined when Temporal does not say; then it counts from the task's close.
 */
async function cancelTimeOf(deps: ActivityDeps, input: FinishInput, task: Task): Promise<Date | undefined> {
  if (input.kind !== 'cancelled' || task.cancelRequestedAt !== null) return undefined
  const run = Context.current().info.workflowExecution
  if (run === undefined) return undefined
  try {
    return (await deps.cancelTime(run)) ?? undefined
  } catch (error) {
    log.warn('when the task was cancelled is not known', { taskId: task.id, error })
    return undefined
  }
}

function endingOf(input: FinishInput, killed: readonly Killed[], requestedAt: Date | undefined): TaskEnding {
  switch (input.kind) {
    case 'completed':
      return { kind: 'completed', outcome: input.outcome, review: input.review }
    case 'failed':
      return { kind: 'failed', reason: input.reason }
    case 'cancelled':
      return { ...input, kind: 'cancelled', killed, ...(requestedAt === undefined ? {} : { requestedAt }) }
  }
}

/**
 * Ends the task's commands. A sandbox that is given up, or whose key is refused, cannot be asked: the task ends all the
 * same, and what runs there ends at its own limit.
 */
async function stopCommands(
  deps: ActivityDeps,
  lease: Lease,
): Promise<{ sandbox: Sandbox | null; states: readonly ExecState[] }> {
  try {
    const sandbox = await deps.workspaces.openExisting(lease.projectId)
    return { sandbox, states: sandbox === null ? [] : await sandbox.killAll(lease.taskId) }
  } catch (error) {
    if (!(error instanceof AppError) || !cannotBeAsked(error)) throw error
    log.warn('the commands of an ended task could not be stopped', { taskId: lease.taskId, code: error.code })
    return { sandbox: null, states: [] }
  }
}

function cannotBeAsked(error: AppError): boolean {
  return error.code === 'sandbox_auth_failed' || error.code === 'sandbox_gone' || error.details?.['final'] === true
}

/** Ends every process of the task and gives each call that was open its result. Safe to repeat. */
async function stopEverything(deps: ActivityDeps, task: Task, lease: Lease): Promise<Killed[]> {
  const open = await unfinishedCalls(deps.db, lease.taskId)
  const { sandbox, states } = await stopCommands(deps, lease)
  if (sandbox !== null) await returnWorkspace(deps.db, lease, sandbox)
  const commands = open.filter((call) => call.effect?.kind === 'command')
  const events = new Map<string, NewEvent>()
  for (const call of commands) {
    if (sandbox !== null) events.set(call.toolUseId, await commandFinished(sandbox, lease, call, states))
  }
  for (const lane of new Set(open.map((call) => call.lane))) {
    const finished = open
      .filter((call) => call.lane === lane)
      .map((call) => {
        const event = events.get(call.toolUseId)
        return { call, result: INTERRUPTED, isError: true, durationMs: 0, events: event ? [event] : [] }
      })
    await finishTools(deps.db, lease, lane, finished)
  }
  if (sandbox !== null && task.startTree !== null) {
    const at = { task, lease, sandbox, turn: task.turn, label: 'task stopped', toolPaths: new Set<string>() }
    await takeCheckpoint(deps, at)
  }
  return commands.map((call) => ({
    toolUseId: call.toolUseId,
    command: call.effect?.kind === 'command' ? call.effect.command : '',
  }))
}

async function commandFinished(
  sandbox: Sandbox,
  lease: Lease,
  call: JournalToolCall,
  killed: readonly ExecState[],
): Promise<NewEvent> {
  const execId = execIdFor(lease.taskId, call.toolUseId)
  const state =
    killed.find((exec) => exec.execId === execId) ??
    (await sandbox.execs(lease.taskId)).find((exec) => exec.execId === execId)
  const shown =
    state && state.bytes > 0
      ? await sandbox.output(execId, { headBytes: KEPT_OUTPUT_BYTES, tailBytes: KEPT_OUTPUT_BYTES })
      : null
  return {
    type: 'command.finished',
    key: `command.finished:${lease.taskId}:${call.toolUseId}`,
    scope: { projectId: lease.projectId, conversationId: lease.conversationId, taskId: lease.taskId, turn: call.turn },
    payload: {
      toolUseId: call.toolUseId,
      partId: outputPartId(call.toolUseId),
      status: state && state.status !== 'running' ? state.status : 'lost',
      exitCode: state?.exitCode ?? null,
      durationMs: state ? Math.max(0, (state.endedAt ?? state.startedAt) - state.startedAt) : 0,
      truncated: (shown?.omittedBytes ?? 0) > 0,
      bytes: state?.bytes ?? 0,
      output: shown === null ? '' : Buffer.from(shown.head).toString('base64'),
      ...(shown && shown.tail.length > 0 ? { tail: Buffer.from(shown.tail).toString('base64') } : {}),
    },
  }
}
