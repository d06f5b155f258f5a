import { INTERRUPTED } from '../agent/history.ts'
import { execIdFor } from '../agent/tools/exec.ts'
import { finishTools, type JournalToolCall, outputPartId, unfinishedCalls } from '../db/journal.ts'
import { acquireLease, closeTask, type TaskEnding } from '../db/lifecycle.ts'
import type { Task } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import type { NewEvent } from '../events/topics.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Activities, FinishInput } from '../workflows/activities.ts'
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
        const closed = await closeTask(deps.db, lease, endingOf(input, killed))
        hitCrashPoint('finish.committed')
        if (closed) deps.sweepOutbox()
        return closed
      } catch (error) {
        // An earlier attempt closed the task and died before it could say so.
        if (error instanceof AppError && error.code === 'task_over') return true
        throw error
      }
    }),
  }
}

type Killed = { readonly toolUseId: string; readonly command: string }

function endingOf(input: FinishInput, killed: readonly Killed[]): TaskEnding {
  switch (input.kind) {
    case 'completed':
      return { kind: 'completed', outcome: input.outcome, review: input.review }
    case 'failed':
      return { kind: 'failed', reason: input.reason }
    case 'cancelled':
      return { ...input, kind: 'cancelled', killed }
  }
}

/** Ends every process of the task and gives each call that was open its result. Safe to repeat. */
async function stopEverything(deps: ActivityDeps, task: Task, lease: Lease): Promise<Killed[]> {
  const open = await unfinishedCalls(deps.db, lease.taskId)
  const sandbox = await deps.workspaces.openExisting(lease.projectId)
  const states = sandbox === null ? [] : await sandbox.killAll(lease.taskId)
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
