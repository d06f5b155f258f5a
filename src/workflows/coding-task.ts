/**
 * One task, top to bottom: sandbox, context, turns, checks, review, at most `maxFixRounds` fixes, finish. Deterministic
 * and small: ids in, ids out; everything that touches the world is an activity.
 */

import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  ContinueAsNew,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import type { BudgetNeed } from '../shared/budget.ts'
import type { CancelTaskSignal, CodingTaskInput, Outcome, Phase, TaskReason } from '../shared/task.ts'
import type {
  BudgetWait,
  ChangesResult,
  ChecksResult,
  ReviewResult,
  RoundInput,
  SkipReason,
  TurnsResult,
} from './activities.ts'
import {
  approvals,
  cancelTask,
  regenerateProjectContext,
  resolveApproval,
  reviewState,
  taskState,
  wake,
} from './messages.ts'
import { checkDecision, decide, waitForPeople } from './people.ts'
import {
  awaitBudget,
  captureChanges,
  finishTask,
  prepareProjectContext,
  prepareSandbox,
  prepareTask,
  reviewChanges,
  runChecks,
  runTurns,
  setUpProject,
  skipReview,
} from './proxies.ts'
import { initialState, toApprovals, toCarried, toDetails, toTaskState, type WorkflowState } from './state.ts'

const PHASE = defineSearchAttributeKey('KeelsonPhase', SearchAttributeType.KEYWORD)
const VERDICT = defineSearchAttributeKey('KeelsonVerdict', SearchAttributeType.KEYWORD)

const MAX_CANCEL_TEXT = 500

/**
 * The life of one task: prepare, turns, review and mending until the review is content or out of rounds, finish. Ends by
 * itself whatever its activities do; a cancelled task is closed as such.
 */
export async function codingTask(input: CodingTaskInput): Promise<void> {
  const state = initialState(input, workflowInfo().startTime.getTime())
  const task: Task = {
    input,
    ref: { taskId: input.taskId, projectId: input.projectId },
    state,
    show: () => setCurrentDetails(toDetails(state)),
    scope: new CancellationScope(),
    // Asked once, so that a run keeps to the way it began with.
    hasFewSteps: patched('few-steps'),
    contextScope: undefined,
    cancel: undefined,
    skipped: undefined,
    changes: undefined,
  }
  listen(task)
  try {
    await task.scope.run(() => work(task))
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error
    await CancellationScope.nonCancellable(() => finishEarly(task, error))
  }
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
  // What still waited was withdrawn with the task.
  task.state.waiting = []
  enter(task, 'done')
}

interface Task {
  readonly input: CodingTaskInput
  readonly ref: { readonly taskId: string; readonly projectId: string }
  readonly state: WorkflowState
  /** Shows the state in Temporal's Web UI. */
  show(): void
  /** Everything that `cancelTask` and native cancellation end. */
  readonly scope: CancellationScope
  /** Whether preparation is one activity and what needs none of its own goes along with others. */
  readonly hasFewSteps: boolean
  /** A context generation under way, which a further request restarts. */
  contextScope: CancellationScope | undefined
  cancel: CancelTaskSignal | undefined
  /** Why this run's last look at the changes led to no review. */
  skipped: SkipReason | undefined
  /** What the last slice said of the changes. */
  changes: ChangesResult | undefined
}

function listen(task: Task): void {
  const { state } = task
  setHandler(wake, () => {
    state.wakes += 1
  })
  setHandler(cancelTask, (request) => {
    task.cancel ??= request
    task.scope.cancel()
  })
  setHandler(regenerateProjectContext, () => {
    state.regenerateRequested = true
    task.contextScope?.cancel()
  })
  setHandler(taskState, () => toTaskState(state))
  setHandler(reviewState, () => state.review)
  setHandler(approvals, () => toApprovals(state))
  setHandler(resolveApproval, (decision) => decide(task, decision), {
    validator: (decision) => checkDecision(state, decision),
  })
}

async function work(task: Task): Promise<void> {
  if (!task.input.carried) await prepare(task)
  for (;;) {
    const outcome = await workOnce(task)
    if (task.state.regenerateRequested && patched('makes-a-late-context')) await makeLateContext(task)
    enter(task, 'finishing')
    const completed = {
      ...task.ref,
      ...({ kind: 'completed', outcome, review: task.state.review } as const),
      ...(task.skipped === undefined ? {} : { skipped: task.skipped }),
    }
    const summary = `Finish: ${outcome}`
    const closed = await CancellationScope.nonCancellable(() => finishTask.executeWithOptions({ summary }, [completed]))
    if (closed) return
    // A message came in while the task was ending: the same task goes on with it, with fix rounds of its own.
    task.state.fixRounds = 0
  }
}

/** Everything before the first turn. */
async function prepare(task: Task): Promise<void> {
  enter(task, 'preparing')
  let force = task.input.forceRegenerateContext
  if (task.hasFewSteps) {
    const { isSetupDue } = await makingContext(task, force, (forced) => {
      force = forced
      const summary = 'Prepare the sandbox and the context'
      return prepareTask.executeWithOptions({ summary }, [{ ...task.ref, force: forced }])
    })
    if (!isSetupDue) return
    await setUp(task)
  } else {
    const prepared = await prepareSandbox.executeWithOptions({ summary: 'Prepare the sandbox' }, [task.ref])
    if (prepared?.isSetupDue && patched('set-up')) await setUp(task)
  }
  await prepareContext(task, force)
}

async function setUp(task: Task): Promise<void> {
  enter(task, 'setup')
  await setUpProject.executeWithOptions({ summary: 'Set up the project' }, [task.ref])
}

/** Works until the agent is idle and its changes are judged. */
async function workOnce(task: Task): Promise<Outcome> {
  task.skipped = undefined
  try {
    // A run that was continued as new while the agent mended goes on mending.
    const early = await runUntilIdle(task, task.state.phase === 'fixing' ? 'fixing' : 'working')
    return early ?? (await reviewUntilSettled(task))
  } catch (error) {
    if (isFaultOfCalls(error) && patched('judges-what-a-failure-left')) await judgeWhatIsLeft(task)
    throw error
  }
}

/** Whether the model wrote calls that nobody can run: what it changed before that is there and may be good. */
function isFaultOfCalls(error: unknown): boolean {
  const { code } = reasonOf(error)
  return code === 'model_calls_as_text' || code === 'model_invalid_calls'
}

/** One round on what a task that fails has changed. Nothing is mended after it, and what goes wrong in it is no news. */
async function judgeWhatIsLeft(task: Task): Promise<void> {
  const { state, input } = task
  try {
    const changes = await captureChanges.executeWithOptions({ summary: 'Capture the changes' }, [task.ref])
    if (!changes.changed || !input.reviewEnabled || state.review.treeHash === changes.treeHash) return
    state.round += 1
    const round = { ...task.ref, round: state.round, treeHash: changes.treeHash }
    const limits = { fixRounds: state.fixRounds, maxFixRounds: state.fixRounds }
    const checks = await check(task, { ...round, ...limits })
    if (checks.failed > 0) return
    enter(task, 'reviewing')
    const summary = `Round ${state.round}: review the changes`
    keepReview(task, await reviewChanges.executeWithOptions({ summary }, [{ ...round, ...limits }]))
  } catch (error) {
    if (isCancellation(error) || task.scope.consideredCancelled) throw error
  }
}

/** Runs slices until the agent is idle; an outcome when its work ended for another reason. */
async function runUntilIdle(task: Task, phase: 'working' | 'fixing'): Promise<Outcome | null> {
  for (;;) {
    if (task.state.regenerateRequested) await prepareContext(task, true)
    enter(task, phase)
    task.state.wakes = 0
    const result = await runSlice(task, phase)
    switch (result.status) {
      case 'continue':
        await continueAsNewWhenLong(task)
        break
      case 'idle':
        return null
      case 'needs_budget':
        if (!(await waitForBudget(task, { need: result.need, wakesBefore: 0 }))) return 'budget_reached'
        break
      case 'needs_answer':
        if (!patched('waits-for-people')) return 'stuck'
        await waitForPeople(task, result.waiting ?? [])
        await continueAsNewWhenLong(task)
        break
      case 'stuck':
      case 'refused':
        return result.status
    }
  }
}

async function runSlice(task: Task, phase: 'working' | 'fixing'): Promise<TurnsResult> {
  const summary = `Turns from ${task.state.turn + 1}${phase === 'fixing' ? `, fix round ${task.state.fixRounds}` : ''}`
  const result = await runTurns.executeWithOptions({ summary }, [{ ...task.ref, phase, mayAsk: true }])
  task.state.turn = result.turn
  task.state.usage = result.usage
  task.changes = result.changes
  return result
}

/** False when nobody gave more in time. `wakesBefore` was counted before the call that the budget did not allow. */
async function waitForBudget(
  { input, ref, state }: Task,
  { need, wakesBefore }: { need: BudgetNeed | undefined; wakesBefore: number },
): Promise<boolean> {
  const asked = { ...ref, phase: state.phase, waitHours: input.budgetWaitHours, ...(need ? { need } : {}) }
  // Older workers answer nothing.
  const wait: BudgetWait | undefined = await awaitBudget.executeWithOptions({ summary: 'Wait for a larger budget' }, [
    asked,
  ])
  if (wait?.isReached === false) return true
  if (wait && wait.waitMs < 1) return false
  // The budget may have been raised before this wait began.
  return await condition(() => state.wakes > wakesBefore, wait?.waitMs ?? `${input.budgetWaitHours}h`)
}

/** What the last slice said, or a look of its own where it said nothing. */
async function changesOf(task: Task): Promise<ChangesResult> {
  if (task.hasFewSteps && task.changes !== undefined) return task.changes
  return await captureChanges.executeWithOptions({ summary: 'Capture the changes' }, [task.ref])
}

async function reviewUntilSettled(task: Task): Promise<Outcome> {
  const { state, input } = task
  for (;;) {
    const changes = await changesOf(task)
    if (!changes.changed) return await skip(task, 'no_changes')
    if (!input.reviewEnabled) return await skip(task, 'disabled')
    const settled = settledOutcome(state)
    if (settled && state.review.treeHash === changes.treeHash) return settled
    state.round += 1
    const outcome = await judge(task, changes.treeHash)
    if (outcome) return outcome
    state.fixRounds += 1
    const early = await runUntilIdle(task, 'fixing')
    if (early) return early
  }
}

async function skip(task: Task, reason: SkipReason): Promise<Outcome> {
  const outcome = reason === 'no_changes' ? 'no_changes' : 'unreviewed'
  if (task.hasFewSteps) {
    task.skipped = reason
    task.state.review = { ...task.state.review, status: 'skipped' }
    return outcome
  }
  task.state.review = await skipReview.executeWithOptions({ summary: `Skip the review: ${reason}` }, [
    { ...task.ref, reason },
  ])
  return outcome
}

/** One round on one tree. Null: something is to be mended and there is a fix round left. */
async function judge(task: Task, treeHash: string): Promise<Outcome | null> {
  const { state, input } = task
  const round = {
    ...task.ref,
    round: state.round,
    treeHash,
    fixRounds: state.fixRounds,
    maxFixRounds: input.maxFixRounds,
  }
  const checks = await check(task, round)
  if (checks.failed === 0) {
    enter(task, 'reviewing')
    const result = await review(task, round)
    if (result === null) return 'budget_reached'
    upsertSearchAttributes([{ key: VERDICT, value: result.verdict }])
  } else {
    upsertSearchAttributes([{ key: VERDICT, value: 'checks_failed' }])
  }
  return settledOutcome(state)
}

async function check(task: Task, round: RoundInput): Promise<ChecksResult> {
  enter(task, 'checking')
  const checks = await runChecks.executeWithOptions({ summary: `Round ${round.round}: run the checks` }, [round])
  task.state.review = checks.review
  return checks
}

function keepReview({ state }: Task, { review, turn, usage }: ReviewResult): void {
  state.review = review
  state.turn = turn
  state.usage = usage
}

/** Has the round's reviewer judge, over waits for a larger budget. null: nobody gave more in time. */
async function review(task: Task, round: RoundInput): Promise<ReviewResult | null> {
  const { state } = task
  for (;;) {
    const wakesBefore = state.wakes
    const summary = `Round ${round.round}: review the changes`
    const result = await reviewChanges.executeWithOptions({ summary }, [round])
    keepReview(task, result)
    if (!result.need || !patched('review-waits-for-budget')) return result
    if (!(await waitForBudget(task, { need: result.need, wakesBefore }))) return null
  }
}

function settledOutcome(state: WorkflowState): Outcome | null {
  switch (state.review.status) {
    case 'approved':
    case 'approved_with_notes':
    case 'issues_remaining':
    case 'inconclusive':
      return state.review.status
    default:
      return null
  }
}

async function prepareContext(task: Task, force: boolean): Promise<void> {
  enter(task, 'context')
  await makingContext(task, force, (forced) => {
    const summary = forced ? 'Make the project context anew' : 'Prepare the project context'
    return prepareProjectContext.executeWithOptions({ summary }, [{ ...task.ref, force: forced }])
  })
}

/** What was asked for after the last turn: the next task begins with it. Not having it is no failure of this one. */
async function makeLateContext(task: Task): Promise<void> {
  try {
    await prepareContext(task, true)
  } catch (error) {
    if (isCancellation(error) || task.scope.consideredCancelled) throw error
  }
}

/** Runs what makes the context; a request that comes meanwhile restarts it, since its inputs may have changed. */
async function makingContext<T>(task: Task, force: boolean, make: (force: boolean) => Promise<T>): Promise<T> {
  for (let forced = force || task.state.regenerateRequested; ; forced = true) {
    task.state.regenerateRequested = false
    const scope = new CancellationScope()
    task.contextScope = scope
    try {
      const made = await scope.run(() => make(forced))
      if (!task.state.regenerateRequested) return made
    } catch (error) {
      // As in finishEarly, the error may be the time-out of a worker that died meanwhile.
      const restarted = scope.consideredCancelled && task.state.regenerateRequested && !task.scope.consideredCancelled
      if (!restarted) throw error
    } finally {
      task.contextScope = undefined
    }
  }
}

async function continueAsNewWhenLong(task: Task): Promise<void> {
  if (workflowInfo().historyLength < task.input.continueAsNewAfterEvents) return
  // The next run would not know of it; in this one the next activity ends the task.
  if (task.scope.consideredCancelled) return
  await condition(allHandlersFinished)
  await continueAsNew<typeof codingTask>({ ...task.input, carried: toCarried(task.state) })
}

function enter(task: Task, phase: Phase): void {
  if (task.state.phase !== phase) upsertSearchAttributes([{ key: PHASE, value: phase }])
  task.state.phase = phase
  task.show()
}

async function finishEarly(task: Task, error: unknown): Promise<void> {
  enter(task, 'finishing')
  // An activity whose worker died while it was to be cancelled fails with a time-out instead of a cancellation.
  if (isCancellation(error) || task.scope.consideredCancelled) {
    const cancelled = { ...task.ref, ...cancelOf(task.cancel), kind: 'cancelled' } as const
    await finishTask.executeWithOptions({ summary: 'Finish: cancelled' }, [cancelled])
    return
  }
  const reason = reasonOf(error)
  const summary = `Finish: failed, ${reason.code}`
  await finishTask.executeWithOptions({ summary }, [{ ...task.ref, kind: 'failed', reason }])
}

/** What a signal said, cut to what belongs in a history; it may come from anywhere, so its shape is not relied on. */
function cancelOf(request: Partial<CancelTaskSignal> | undefined): { by?: string; reason?: string } {
  const { by, reason } = request ?? {}
  return {
    ...(typeof by === 'string' && by !== '' ? { by: by.slice(0, MAX_CANCEL_TEXT) } : {}),
    ...(typeof reason === 'string' && reason !== '' ? { reason: reason.slice(0, MAX_CANCEL_TEXT) } : {}),
  }
}

/** The code and sentence that the failing activity gave; Temporal's own failures (time-outs) get one of ours. */
function reasonOf(error: unknown): TaskReason {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (cause instanceof ApplicationFailure) return { code: cause.type ?? 'internal', message: cause.message }
  return { code: 'internal', message: 'The task failed because of an internal error; the server log has the details.' }
}
