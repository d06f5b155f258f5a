/**
 * Has a task's request tried again, each try a coding task of its own in a project of its own, and one of the results
 * chosen, by a person or by the evidence. Postgres knows what was decided; this workflow sees to it, at most seven days, and
 * removes what it made whatever happens.
 */

import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  ChildWorkflowCancellationType,
  condition,
  isCancellation,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  startChild,
} from '@temporalio/workflow'
import type {
  AlternativeRun,
  ChooseAlternative,
  CompareInput,
  ComparisonLook,
  ComparisonView,
} from '../shared/comparison.ts'
import { workflowIdFor } from '../shared/task.ts'
import type { codingTask } from './coding-task.ts'
import { cancelComparison, chooseAlternative, comparison, wake } from './messages.ts'
import {
  applyChoice,
  endComparison,
  forkAlternatives,
  lookAtComparison,
  recordChoice,
  removeAlternatives,
  weighAlternatives,
} from './proxies.ts'

const MAX_MESSAGE = 500

interface Comparing {
  readonly at: CompareInput
  look: ComparisonLook
  runs: readonly AlternativeRun[]
  readonly ended: Set<number>
  expiresAt: string | null
  /** Something may have been decided: the database is to be looked at. */
  wakes: number
  /** How many of them came before what `look` holds was read. */
  wakesSeen: number
  isCancelled: boolean
}

/** The life of a comparison: its tries as children, the choice, and what is removed afterwards. */
export async function compareAlternatives({ comparisonId, projectId }: CompareInput): Promise<void> {
  const comparing: Comparing = {
    at: { comparisonId, projectId },
    look: { state: 'running', chosenIndex: null, isCancelRequested: false },
    runs: [],
    ended: new Set(),
    expiresAt: null,
    wakes: 0,
    wakesSeen: 0,
    isCancelled: false,
  }
  listen(comparing)
  const end = await work(comparing)
  await CancellationScope.nonCancellable(async () => {
    if (end !== null) {
      await endComparison.executeWithOptions({ summary: `End: ${end.state}` }, [{ ...comparing.at, end }])
      comparing.look = { ...comparing.look, state: end.state, chosenIndex: null }
    }
    show(comparing)
    await condition(allHandlersFinished)
    await removeAlternatives.executeWithOptions({ summary: 'Remove the alternatives' }, [comparing.at])
  })
}

interface End {
  readonly state: 'cancelled' | 'failed'
  readonly reason: string
}

/** Null: it ended as the database says. */
async function work(comparing: Comparing): Promise<End | null> {
  try {
    const forked = await forkAlternatives.executeWithOptions({ summary: 'Make the alternatives' }, [comparing.at])
    comparing.runs = forked.runs
    comparing.expiresAt = forked.expiresAt
    if (!(await runAll(comparing))) return cancelledEnd(comparing)
    return await decide(comparing)
  } catch (failure) {
    if (isCancellation(failure)) return { state: 'cancelled', reason: 'It was cancelled.' }
    const cause = failure instanceof ActivityFailure ? failure.cause : failure
    if (cause instanceof ApplicationFailure) return { state: 'failed', reason: cause.message.slice(0, MAX_MESSAGE) }
    return { state: 'failed', reason: 'An internal error ended it; the worker’s log has the details.' }
  }
}

function listen(comparing: Comparing): void {
  setHandler(wake, () => {
    comparing.wakes += 1
  })
  setHandler(cancelComparison, () => {
    comparing.isCancelled = true
  })
  setHandler(comparison, () => toView(comparing))
  setHandler(
    chooseAlternative,
    async (choice) => {
      const { index } = choice
      const summary = `Record the choice: alternative ${index}`
      const recorded = await recordChoice.executeWithOptions({ summary }, [{ ...comparing.at, choice: { index } }])
      comparing.wakes += 1
      return { chosenIndex: recorded.chosenIndex ?? index }
    },
    { validator: (choice) => checkChoice(comparing, choice) },
  )
}

/** What it refuses leaves no trace in the history. It may come from a command line, so nothing is relied on. */
function checkChoice({ look }: Comparing, choice: Partial<ChooseAlternative> | undefined): void {
  const index = choice?.index
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0) {
    throw ApplicationFailure.nonRetryable(
      'index: must be the number of an alternative, 0 for the task’s own',
      'bad_request',
    )
  }
  if (look.state === 'running' || look.state === 'waiting') return
  throw ApplicationFailure.nonRetryable('This comparison is decided already.', 'already_decided')
}

/** Runs all tries to their ends; what still runs when it was decided or cancelled, or time is over, is ended. False: it ends without a choice. */
async function runAll(comparing: Comparing): Promise<boolean> {
  const scope = new CancellationScope()
  let isDone = false
  const all = scope.run(async () => {
    await Promise.all(comparing.runs.map((run) => runOne(comparing, run)))
    isDone = true
  })
  try {
    return await untilMoved(
      comparing,
      () => isDone,
      ({ state }) => state !== 'running',
    )
  } finally {
    if (!isDone) scope.cancel()
    await all
  }
}

/** How it ended stands in its own row, so its failure is no news here. */
async function runOne(comparing: Comparing, { index, input }: AlternativeRun): Promise<void> {
  try {
    const child = await startChild<typeof codingTask>('codingTask', {
      workflowId: workflowIdFor(input.taskId),
      args: [input],
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `Alternative ${index}`,
    })
    await child.result()
  } catch {
    // The task's row says what became of it; one that never began has no result.
  }
  comparing.ended.add(index)
  show(comparing)
}

/** Waits until `isDone`, or until the database says something that `isMoved`. False when it is to end without a choice. */
async function untilMoved(
  comparing: Comparing,
  isDone: () => boolean,
  isMoved: (look: ComparisonLook) => boolean,
): Promise<boolean> {
  for (;;) {
    const leftMs = Math.max(1, Date.parse(comparing.expiresAt ?? '') - Date.now())
    const moved = () => isDone() || comparing.isCancelled || comparing.wakes > comparing.wakesSeen
    if (!(await condition(moved, leftMs)) || comparing.isCancelled) return false
    if (isDone()) return true
    const summary = 'Look what was decided'
    await look(comparing, () => lookAtComparison.executeWithOptions({ summary }, [comparing.at]))
    if (comparing.look.isCancelRequested) return false
    if (isMoved(comparing.look)) return true
  }
}

/** From the results to an end: a choice that cannot be put into effect is asked for again. */
async function decide(comparing: Comparing): Promise<End | null> {
  await look(comparing, () => weighAlternatives.executeWithOptions({ summary: 'Weigh the results' }, [comparing.at]))
  for (;;) {
    const { state, isCancelRequested } = comparing.look
    if (state === 'chosen' || state === 'failed' || state === 'cancelled') return null
    if (state === 'choosing') {
      await look(comparing, () => putIntoEffect(comparing))
      continue
    }
    if (isCancelRequested) return cancelledEnd(comparing)
    const isOpen = await untilMoved(
      comparing,
      () => false,
      (look) => look.state !== 'waiting',
    )
    if (!isOpen) return cancelledEnd(comparing)
  }
}

/** Not to be cut off in the middle: it is decided. */
async function putIntoEffect({ at, look }: Comparing): Promise<ComparisonLook> {
  const summary = `Put alternative ${look.chosenIndex ?? ''} into effect`
  return await CancellationScope.nonCancellable(() => applyChoice.executeWithOptions({ summary }, [at]))
}

function cancelledEnd({ isCancelled, look }: Comparing): End {
  const isAsked = isCancelled || look.isCancelRequested
  return { state: 'cancelled', reason: isAsked ? 'A person cancelled it.' : 'Nobody chose in time.' }
}

/** A wake that comes while the database is read may stand for something newer than what was read. */
async function look(comparing: Comparing, read: () => Promise<ComparisonLook>): Promise<void> {
  const { wakes } = comparing
  comparing.look = await read()
  comparing.wakesSeen = wakes
  show(comparing)
}

/** Shows the state in Temporal's Web UI. */
function show({ runs, ended, look }: Comparing): void {
  const lines = runs.map(({ index }) => `- alternative ${index}: ${ended.has(index) ? 'ended' : 'runs'}`)
  setCurrentDetails([`${look.state}${look.chosenIndex === null ? '' : ` ${look.chosenIndex}`}`, ...lines].join('\n'))
}

function toView({ look, runs, ended, expiresAt }: Comparing): ComparisonView {
  const alternatives = runs.map(({ index, input }) => ({ index, taskId: input.taskId, isOver: ended.has(index) }))
  return { state: look.state, chosenIndex: look.chosenIndex, alternatives, expiresAt }
}
