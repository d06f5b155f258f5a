/** Activities that only say what they were asked: what the workflow does is visible in their calls. */

import { CancelledFailure, Context } from '@temporalio/activity'
import { STATE_AFTER } from '../../src/shared/approval.ts'
import type { ReviewState } from '../../src/shared/review.ts'
import { NO_DIFF, NO_USAGE } from '../../src/shared/task.ts'
import type { Activities } from '../../src/workflows/activities.ts'
import { waitFor } from './wait-for.ts'

export type ActivityName = keyof Activities

/** What an activity does at its n-th call (from 1) in a task. */
export type Behaviours = {
  readonly [Name in ActivityName]?: (
    input: Parameters<Activities[Name]>[0],
    nth: number,
  ) => Awaited<ReturnType<Activities[Name]>> | ReturnType<Activities[Name]>
}

type Behaviour<Name extends ActivityName> = (
  input: Parameters<Activities[Name]>[0],
  nth: number,
) => Promise<Awaited<ReturnType<Activities[Name]>>>

export interface Call {
  readonly name: ActivityName
  readonly input: unknown
  readonly attempt: number
  /** Whether the call was asked to stop. */
  wasCancelled: boolean
}

export function aReview(overrides: Partial<ReviewState> = {}): ReviewState {
  return {
    status: 'not_started',
    round: 0,
    fixRounds: 0,
    maxFixRounds: 2,
    findings: { open: 0, resolved: 0 },
    history: [],
    ...overrides,
  }
}

/** Everything goes well at the first try. */
const DEFAULTS: Required<Behaviours> = {
  prepareTask: () => ({ isSetupDue: false }),
  prepareSandbox: () => undefined,
  setUpProject: () => undefined,
  setUpAlone: () => undefined,
  prepareProjectContext: () => undefined,
  refreshContext: () => undefined,
  runTurns: (_, nth) => ({ status: 'idle', turn: nth, usage: { ...NO_USAGE, inputTokens: nth * 100 } }),
  captureChanges: (_, nth) => ({ changed: true, treeHash: `tree_${nth}`, stat: { ...NO_DIFF, files: 1 } }),
  runChecks: ({ round, treeHash }) => ({ failed: 0, review: aReview({ status: 'reviewing', round, treeHash }) }),
  reviewChanges: ({ round, treeHash }) => ({
    verdict: 'approved',
    review: aReview({ status: 'approved', round, treeHash, verdict: 'approved' }),
    turn: 1,
    usage: { ...NO_USAGE, inputTokens: 1_000 },
  }),
  skipReview: () => aReview({ status: 'skipped' }),
  awaitBudget: ({ waitHours = 168 }) => ({ isReached: true, waitMs: waitHours * 3_600_000 }),
  recordDecision: ({ decision: { approvalId, decision } }) => ({ approvalId, state: STATE_AFTER[decision] }),
  expireApprovals: () => [],
  finishTask: () => true,
  askToPublish: () => ({ taskId: 'tsk_published', waiting: null }),
  buildCommit: () => undefined,
  pushBranch: () => undefined,
  openPullRequest: () => undefined,
  finishPublication: () => undefined,
  forkAlternatives: () => ({ runs: [], expiresAt: new Date(Date.now() + 60_000).toISOString() }),
  weighAlternatives: () => ({ state: 'waiting', chosenIndex: null, isCancelRequested: false }),
  lookAtComparison: () => ({ state: 'waiting', chosenIndex: null, isCancelRequested: false }),
  recordChoice: ({ choice }) => ({ state: 'choosing', chosenIndex: choice.index, isCancelRequested: false }),
  applyChoice: () => ({ state: 'chosen', chosenIndex: 1, isCancelRequested: false }),
  endComparison: () => undefined,
  removeAlternatives: () => undefined,
}

/** The calls of one task and what answers them. */
export class FakeTask {
  readonly calls: Call[] = []
  readonly #behaviours: Required<Behaviours>

  constructor(behaviours: Behaviours) {
    this.#behaviours = { ...DEFAULTS, ...behaviours }
  }

  async call<Name extends ActivityName>(
    name: Name,
    input: Parameters<Activities[Name]>[0],
  ): Promise<Awaited<ReturnType<Activities[Name]>>> {
    const context = Context.current()
    const call: Call = { name, input, attempt: context.info.attempt, wasCancelled: false }
    this.calls.push(call)
    context.cancelled.catch(() => {
      call.wasCancelled = true
    })
    const beat = setInterval(() => context.heartbeat(), 50)
    try {
      const nth = this.calls.filter((other) => other.name === name).length
      const behave = this.#behaviours[name] as unknown as Behaviour<Name>
      return await behave(input, nth)
    } finally {
      clearInterval(beat)
    }
  }

  /** The names of the calls in their order. */
  names(): ActivityName[] {
    return this.calls.map((call) => call.name)
  }

  of(name: ActivityName): Call[] {
    return this.calls.filter((call) => call.name === name)
  }

  /** Waits until an activity was called for the n-th time. */
  async reached(name: ActivityName, nth = 1): Promise<Call> {
    return await waitFor(() => this.of(name)[nth - 1], `${name} was called ${nth} times`)
  }
}

/** Does not end before it is told to stop, and then says so, as a well-behaved activity does. */
export async function untilCancelled(): Promise<never> {
  return await Context.current().cancelled
}

/** Does not end before it is told to stop, and then ends well all the same. */
export async function untilCancelledThen<T>(result: T): Promise<T> {
  try {
    return await Context.current().cancelled
  } catch (error) {
    if (error instanceof CancelledFailure) return result
    throw error
  }
}
