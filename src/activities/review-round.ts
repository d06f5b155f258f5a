/** One round of a review while it runs: what its halves, its checks and its reviewer, look at. */

import { taskCriteria } from '../db/review/criteria.ts'
import { listRounds, type ReviewRound } from '../db/review/reviews.ts'
import { acquireLease } from '../db/task/attempt.ts'
import { readLane } from '../db/turn/turns.ts'
import { isFailing } from '../review/check-outcome.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { readChange, type ShownChange } from '../review/read-change.ts'
import type { CheckResult, Finding } from '../shared/review.ts'
import type { RoundInput } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { openSandbox } from './open-sandbox.ts'
import type { CheckedRound } from './round-checks.ts'
import type { ActivityRun } from './run-activity.ts'

/** What both halves of a round need. */
export interface Round extends CheckedRound {
  /** All rounds so far, this one included once it is open. */
  readonly rounds: readonly ReviewRound[]
}

/** Takes the attempt’s lease in `phase` and reads what the round works with. Throws `lease_lost`, `sandbox_*`, `store_unavailable`. */
export async function openRoundOf(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
  phase: 'checking' | 'reviewing',
): Promise<Round> {
  const attempt = await acquireLease(deps.db, input, run, phase)
  const [sandbox, saved, rounds] = await Promise.all([
    openSandbox(deps, attempt),
    taskCriteria(deps.db, input.taskId),
    listRounds(deps.db, input.taskId),
  ])
  return { deps, input, run, attempt, sandbox, criteria: saved ?? DEFAULT_CRITERIA, rounds }
}

/** The checks that stand against the change. */
export function failedOf(checks: readonly CheckResult[]): CheckResult[] {
  return checks.filter(isFailing)
}

/** The findings of the rounds before this one, as they are now. */
export function earlierFindings(at: Round): Finding[] {
  return at.rounds.filter((round) => round.round < at.input.round).flatMap((round) => round.findings)
}

/** The tree that the round before judged: later rounds look only at what changed since. */
function baseTree(at: Round): string {
  const before = at.rounds.filter((round) => round.round < at.input.round && round.verdict !== 'checks_failed').at(-1)
  return before?.treeHash ?? at.attempt.task.startTree ?? at.input.treeHash
}

/** Asked for by the reviewer's first message and by the verdict: the same trees give the same answer. */
export async function shownChange(at: Round): Promise<ShownChange> {
  const { input, run, sandbox } = at
  const execId = `ignored-${input.taskId}-${input.round}`
  const trees = { from: baseTree(at), to: input.treeHash }
  return await readChange(sandbox, trees, { taskId: input.taskId, execId, signal: run.signal })
}

/** What the coder said last: there it disputes findings. Empty when it said nothing. */
export async function coderLastWords(at: Round): Promise<string> {
  const turns = await readLane(at.deps.db, at.input.taskId, 'coder')
  const texts = (turns.at(-1)?.reply ?? []).flatMap((block) => (block.type === 'text' ? [block.text] : []))
  return texts.join('\n')
}
