/** Tasks of every shape, used by the tests and to record the histories that later versions must still replay. */

import { setTimeout as sleep } from 'node:timers/promises'
import { ApplicationFailure } from '@temporalio/activity'
import { answerKey, type WaitingApproval } from '../../src/shared/approval.ts'
import type { ReviewState } from '../../src/shared/review.ts'
import { type CodingTaskInput, NO_USAGE } from '../../src/shared/task.ts'
import type { TurnsResult } from '../../src/workflows/activities.ts'
import { approvals, cancelTask, regenerateProjectContext, resolveApproval, wake } from '../../src/workflows/messages.ts'
import { aReview, type Behaviours, untilCancelled } from '../support/fake-activities.ts'
import { waitFor } from '../support/wait-for.ts'
import type { TaskRun } from '../support/workflow-worker.ts'

export interface Shape {
  readonly behaviours?: Behaviours
  readonly input?: Partial<CodingTaskInput>
  /** What a person does meanwhile. */
  drive?(run: TaskRun): Promise<void>
}

export function turns(status: TurnsResult['status'], turn: number): TurnsResult {
  return { status, turn, usage: { ...NO_USAGE, inputTokens: turn * 100 } }
}

/** The review's state after a round that found something to mend, or that was the last one allowed. */
export function judged(
  round: number,
  status: ReviewState['status'],
  overrides: Partial<ReviewState> = {},
): ReviewState {
  return aReview({ status, round, fixRounds: Math.max(0, round - 1), ...overrides })
}

/** Rounds that find issues until the fix rounds are used up. */
const neverGoodEnough: Behaviours = {
  reviewChanges: ({ round, fixRounds, maxFixRounds, treeHash }) => ({
    verdict: 'issues_found',
    review: judged(round, fixRounds < maxFixRounds ? 'fixing' : 'issues_remaining', {
      verdict: 'issues_found',
      treeHash,
    }),
    turn: round * 10,
    usage: { ...NO_USAGE, inputTokens: round },
  }),
}

/** Ends only after `condition`, while it can still be stopped. */
async function once(condition: () => boolean): Promise<void> {
  while (!condition()) await Promise.race([sleep(5), untilCancelled()])
}

export function asking(turn: number, waiting: readonly WaitingApproval[]): TurnsResult {
  return { ...turns('needs_answer', turn), waiting }
}

export function aQuestion(approvalId: string, expiresMs = 3_600_000): WaitingApproval {
  const optionKeys = ['red', 'blue'].map(answerKey)
  return { ...summaryOf(approvalId, 'question', expiresMs), title: 'Which colour?', optionKeys }
}

export function aCommand(approvalId: string, expiresMs = 3_600_000): WaitingApproval {
  return { ...summaryOf(approvalId, 'command', expiresMs), title: 'Run npm publish' }
}

/** What a publication waits for. */
export function aLeave(approvalId: string, expiresMs = 3_600_000): WaitingApproval {
  return { ...summaryOf(approvalId, 'publish', expiresMs), title: 'Publish to keelson/x' }
}

function summaryOf(approvalId: string, kind: WaitingApproval['kind'], expiresMs: number) {
  const now = Date.now()
  const expiresAt = new Date(now + expiresMs).toISOString()
  return { approvalId, kind, requestedAt: new Date(now).toISOString(), expiresAt }
}

/** Waits until the workflow says that so many things are open. */
export async function waiting(handle: Pick<TaskRun['handle'], 'query'>, count: number): Promise<void> {
  await waitFor(async () => ((await handle.query(approvals)).open.length === count ? true : undefined), 'it waits')
}

export const SHAPES = {
  plain: {},

  conversation_only: {
    behaviours: {
      captureChanges: () => ({ changed: false, treeHash: 'tree_0', stat: { files: 0, added: 0, removed: 0 } }),
    },
  },

  review_disabled: { input: { reviewEnabled: false } },

  cancelled_mid_turn: {
    behaviours: { runTurns: (_, nth) => (nth === 1 ? turns('continue', 1) : untilCancelled()) },
    async drive({ fake, handle }) {
      await fake.reached('runTurns', 2)
      await handle.signal(cancelTask, { by: 'user', reason: 'enough' })
    },
  },

  cancelled_natively: {
    behaviours: { reviewChanges: untilCancelled },
    async drive({ fake, handle }) {
      await fake.reached('reviewChanges')
      await handle.cancel()
    },
  },

  one_fix_round: {
    behaviours: {
      reviewChanges: (input, nth) =>
        nth === 1
          ? {
              verdict: 'issues_found',
              review: judged(1, 'fixing', { verdict: 'issues_found', treeHash: input.treeHash }),
              turn: 3,
              usage: NO_USAGE,
            }
          : {
              verdict: 'approved',
              review: judged(2, 'approved', { verdict: 'approved', treeHash: input.treeHash }),
              turn: 6,
              usage: NO_USAGE,
            },
    },
  },

  two_fix_rounds: { behaviours: neverGoodEnough },

  checks_failing: {
    behaviours: {
      runChecks: ({ round, treeHash }, nth) =>
        nth === 1
          ? { failed: 2, review: judged(1, 'fixing', { verdict: 'checks_failed', treeHash }) }
          : { failed: 0, review: judged(round, 'reviewing', { treeHash }) },
    },
  },

  regenerated: {
    behaviours: {
      prepareTask: (_, nth) => (nth === 1 ? untilCancelled() : { isSetupDue: false }),
      async runTurns(_, nth) {
        if (nth > 1) return turns('idle', 2)
        await once(() => regenerated.has('at a boundary'))
        return turns('continue', 1)
      },
    },
    async drive({ fake, handle }) {
      regenerated.clear()
      await fake.reached('prepareTask')
      await handle.signal(regenerateProjectContext, { by: 'user' })
      await fake.reached('runTurns')
      await handle.signal(regenerateProjectContext, { by: 'user' })
      await handle.signal(regenerateProjectContext, { by: 'user' })
      regenerated.add('at a boundary')
    },
  },

  regenerated_late: {
    behaviours: {
      async runTurns() {
        await once(() => regenerated.has('in the last slice'))
        return turns('idle', 1)
      },
    },
    async drive({ fake, handle }) {
      regenerated.clear()
      await fake.reached('runTurns')
      await handle.signal(regenerateProjectContext, { by: 'user' })
      regenerated.add('in the last slice')
    },
  },

  continued_as_new: {
    input: { continueAsNewAfterEvents: 20 },
    behaviours: { runTurns: (_, nth) => turns(nth < 4 ? 'continue' : 'idle', nth) },
  },

  retried: {
    behaviours: {
      runTurns: (_, nth) => {
        if (nth > 1) return turns('idle', 1)
        const nextRetryDelay = '50ms'
        throw ApplicationFailure.create({ type: 'model_overloaded', message: 'Busy.', nextRetryDelay })
      },
    },
  },

  failed: {
    behaviours: {
      runTurns: () => {
        throw ApplicationFailure.nonRetryable('The API key was refused.', 'model_auth_failed')
      },
    },
  },

  budget_raised: {
    behaviours: { runTurns: (_, nth) => turns(nth === 1 ? 'needs_budget' : 'idle', nth) },
    async drive({ fake, handle }) {
      await fake.reached('awaitBudget')
      await handle.signal(wake)
    },
  },

  budget_timed_out: {
    input: { budgetWaitHours: 0.000_1 },
    behaviours: { runTurns: (_, nth) => turns('needs_budget', nth) },
  },

  set_up: {
    behaviours: {
      prepareTask: () => ({ isSetupDue: true }),
    },
  },

  review_waits: {
    behaviours: {
      reviewChanges: ({ round, treeHash }, nth) => ({
        verdict: nth === 1 ? 'inconclusive' : 'approved',
        review: judged(round, nth === 1 ? 'reviewing' : 'approved', { treeHash }),
        turn: 3,
        usage: NO_USAGE,
        ...(nth === 1 ? { need: { usd: 1, turns: 1 } } : {}),
      }),
      awaitBudget: () => ({ isReached: false, waitMs: 0 }),
    },
  },

  asked_and_answered: {
    behaviours: {
      runTurns: (_, nth) => (nth === 1 ? asking(1, [aQuestion('apr_1'), aCommand('apr_2')]) : turns('idle', 2)),
    },
    async drive({ fake, handle }) {
      await fake.reached('runTurns')
      await waiting(handle, 2)
      await handle.executeUpdate(resolveApproval, {
        args: [{ approvalId: 'apr_1', decision: 'answer', answer: 'blue' }],
      })
      await handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_2', decision: 'deny' }] })
    },
  },

  asked_and_expired: {
    behaviours: {
      runTurns: (_, nth) => (nth === 1 ? asking(1, [aQuestion('apr_1', 300)]) : turns('idle', 2)),
      expireApprovals: () => [],
    },
  },

  message_while_finishing: {
    behaviours: {
      captureChanges: () => ({ changed: true, treeHash: 'tree_1', stat: { files: 1, added: 1, removed: 0 } }),
      finishTask: (_, nth) => nth > 1,
    },
  },
} as const satisfies Record<string, Shape>

/** What the person of the shapes `regenerated` and `regenerated_late` has done so far. */
const regenerated = new Set<string>()

export type ShapeName = keyof typeof SHAPES
export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[]

export function shapeOf(name: ShapeName): Shape {
  return SHAPES[name]
}
