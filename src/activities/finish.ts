import { Context, log } from '@temporalio/activity'
import { INTERRUPTED } from '../agent/history.ts'
import { type Attempt, acquireLease } from '../db/task/attempt.ts'
import { closeTask } from '../db/task/lifecycle.ts'
import type { Task } from '../db/task/tasks.ts'
import { finishTools, outputPartId } from '../db/turn/tool-calls.ts'
import { type JournalToolCall, unfinishedCalls } from '../db/turn/turns.ts'
import type { NewEvent } from '../events/topics.ts'
import { writeSummaries } from '../memory/pin-memory.ts'
import type { ExecState, Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { TaskEnding } from '../shared/task-ending.ts'
import { execIdFor } from '../tools/exec.ts'
import type { Activities, FinishInput } from '../workflows/activities.ts'
import { returnWorkspace } from './borrowed-workspace.ts'
import { noteLeftOut, takeCheckpoint } from './checkpoints.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'
import { skippedEvent } from './skipped-review.ts'

const KEPT_OUTPUT_BYTES = 128 * 1024

/** Ends a task: its processes, its open calls, its row, its stream. */
export function createFinishActivities(deps: ActivityDeps): Pick<Activities, 'finishTask'> {
  return {
    finishTask: runActivity(async (input, run) => {
      try {
        const attempt = await acquireLease(deps.db, input, run, 'finishing')
        const { task } = attempt
        const stopped = input.kind === 'completed' ? NOTHING_RAN : await stopEverything(deps, attempt, run)
        hitCrashPoint('finish.before_commit')
        const requestedAt = await cancelTimeOf(deps, input, task)
        const skipped = input.kind === 'completed' ? input.skipped : undefined
        const events = skipped === undefined ? [] : [skippedEvent(attempt, task.turn, skipped)]
        const closed = await closeTask(attempt, endingOf(input, task, stopped, requestedAt), events)
        hitCrashPoint('finish.committed')
        if (closed) {
          deps.sweepOutbox()
          await summarize(deps, input.taskId)
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

interface Stopped {
  readonly killed: readonly { readonly toolUseId: string; readonly command: string }[]
  /** What the sandbox refused to do at the end, as a sentence; null: nothing. */
  readonly trouble: string | null
}

const NOTHING_RAN: Stopped = { killed: [], trouble: null }

/** After so many attempts a task ends without its sandbox: what runs there ends at its own limit. */
const SANDBOX_ATTEMPTS = 4

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

function endingOf(
  input: FinishInput,
  task: Task,
  { killed, trouble }: Stopped,
  requestedAt: Date | undefined,
): TaskEnding {
  const told = trouble === null ? {} : { trouble }
  switch (input.kind) {
    case 'completed': {
      // A person may have judged a finding meanwhile, which only the row knows.
      const review = input.skipped === undefined ? input.review : { ...task.review, status: 'skipped' as const }
      return { kind: 'completed', outcome: input.outcome, review }
    }
    case 'failed':
      return { kind: 'failed', reason: input.reason, ...told }
    case 'cancelled':
      return { ...input, kind: 'cancelled', killed, ...told, ...(requestedAt === undefined ? {} : { requestedAt }) }
  }
}

/**
 * Does a step of the end that needs the sandbox. The task ends whatever the sandbox says: what may pass by itself is tried
 * by a few attempts, then the failure is a word in the ending. A lost lease and an unreachable store are no word of the
 * sandbox and thrown.
 */
async function orTrouble<T>(
  { attempt, run }: { readonly attempt: Attempt; readonly run: ActivityRun },
  step: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T | null; readonly trouble: string | null }> {
  try {
    return { value: await work(), trouble: null }
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'internal'
    const isOurs = error instanceof AppError && !code.startsWith('sandbox_')
    const mayPass = error instanceof AppError ? error.retryable && !cannotBeAsked(error) : true
    if (isOurs || (mayPass && run.attempt < SANDBOX_ATTEMPTS)) throw error
    log.warn('a task ends without its sandbox', { taskId: attempt.task.id, step, code, error })
    return { value: null, trouble: error instanceof AppError ? error.message : 'The sandbox failed unexpectedly.' }
  }
}

function cannotBeAsked(error: AppError): boolean {
  return error.code === 'sandbox_auth_failed' || error.code === 'sandbox_gone' || error.details?.['final'] === true
}

/** Ends every process of the task and gives each call that was open its result. Safe to repeat. */
async function stopEverything(deps: ActivityDeps, attempt: Attempt, run: ActivityRun): Promise<Stopped> {
  const at = { attempt, run }
  const open = await unfinishedCalls(deps.db, attempt.scope.taskId)
  const stopped = await orTrouble(at, 'stop commands', async () => {
    const found = await deps.workspaces.openExisting(attempt.scope.projectId)
    // From here on nothing of the task starts any more, whoever still tries.
    const sandbox = found === null ? null : await found.fenced(attempt.lease)
    return { sandbox, states: sandbox === null ? [] : await sandbox.killAll(attempt.scope.taskId) }
  })
  const sandbox = stopped.value?.sandbox ?? null
  const states = stopped.value?.states ?? []
  const commands = open.filter((call) => call.effect?.kind === 'command')
  const events = new Map<string, NewEvent>()
  for (const call of commands) {
    if (sandbox === null) continue
    const told = await orTrouble(at, 'read output', () => commandFinished(sandbox, attempt, call, states))
    if (told.value !== null) events.set(call.toolUseId, told.value)
  }
  for (const lane of new Set(open.map((call) => call.lane))) {
    const finished = open
      .filter((call) => call.lane === lane)
      .map((call) => {
        const event = events.get(call.toolUseId)
        return { call, result: INTERRUPTED, isError: true, durationMs: 0, events: event ? [event] : [] }
      })
    await finishTools(attempt, lane, finished)
  }
  const kept = sandbox === null ? null : await orTrouble(at, 'keep files', () => keepFiles(deps, attempt, sandbox))
  const trouble = sentence('What it ran could not be stopped', stopped.trouble) ?? sentence(NOT_KEPT, kept?.trouble)
  return {
    killed: commands.map((call) => ({
      toolUseId: call.toolUseId,
      command: call.effect?.kind === 'command' ? call.effect.command : '',
    })),
    trouble,
  }
}

const NOT_KEPT = 'Its last changes are not in a checkpoint'

function sentence(what: string, trouble: string | null | undefined): string | null {
  return trouble ? `${what}: ${trouble.replace(/\.$/, '')}.` : null
}

/** Puts the task's own files back where a check had others there, and stores what it left. */
async function keepFiles(deps: ActivityDeps, attempt: Attempt, sandbox: Sandbox): Promise<void> {
  await returnWorkspace(attempt, sandbox)
  const { task } = attempt
  if (task.startTree === null) return
  const at = { task, attempt, sandbox, turn: task.turn, label: 'task stopped', toolPaths: new Set<string>() }
  await takeCheckpoint(deps, at)
  await noteLeftOut(deps, at)
}

async function commandFinished(
  sandbox: Sandbox,
  attempt: Attempt,
  call: JournalToolCall,
  killed: readonly ExecState[],
): Promise<NewEvent> {
  const execId = execIdFor(attempt.scope.taskId, call.toolUseId)
  const state =
    killed.find((exec) => exec.execId === execId) ??
    (await sandbox.execs(attempt.scope.taskId)).find((exec) => exec.execId === execId)
  const shown =
    state && state.bytes > 0
      ? await sandbox.output(execId, { headBytes: KEPT_OUTPUT_BYTES, tailBytes: KEPT_OUTPUT_BYTES })
      : null
  return {
    type: 'command.finished',
    key: `command.finished:${attempt.scope.taskId}:${call.toolUseId}`,
    scope: { ...attempt.scope, turn: call.turn },
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
