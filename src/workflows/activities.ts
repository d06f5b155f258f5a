/** What the workflows call: ids in, small facts out. Implemented in src/activities. */

import type { ResolveApproval, ResolvedApproval, WaitingApproval } from '../shared/approval.ts'
import type { BudgetNeed } from '../shared/budget.ts'
import type { AlternativeRun, ChooseAlternative, CompareInput, ComparisonLook } from '../shared/comparison.ts'
import type { PublicationError, PublishInput } from '../shared/publication.ts'
import type { ReviewState, RoundVerdict } from '../shared/review.ts'
import type { DiffStat, Outcome, Phase, SetUpInput, TaskReason, Usage } from '../shared/task.ts'

/** Which task an activity works for. */
export interface TaskRef {
  readonly taskId: string
  readonly projectId: string
}

/** What comes next after a task was prepared. */
export interface Prepared {
  readonly isSetupDue: boolean
}

/** What the task changed since its first checkpoint. */
export interface ChangesResult {
  readonly changed: boolean
  readonly treeHash: string
  readonly stat: DiffStat
}

/** A slice of turns of the coder. */
export interface TurnsInput extends TaskRef {
  readonly phase: 'working' | 'fixing'
  /** Whether the workflow can wait for people; those of the version before cannot, and say nothing. */
  readonly mayAsk?: boolean
}

/**
 * How a slice ended. `continue`: a turn boundary after which more is to do; `idle`: the agent has nothing left to do;
 * the others end the coder's work for a reason of its own.
 */
export interface TurnsResult {
  readonly status: 'continue' | 'idle' | 'needs_budget' | 'needs_answer' | 'stuck' | 'refused'
  readonly turn: number
  readonly usage: Usage
  /** With `idle`: the task's changes so far. Workers of the version before do not say. */
  readonly changes?: ChangesResult
  /** With `needs_budget`: the model call that was not made. */
  readonly need?: BudgetNeed
  /** With `needs_answer`: what people must decide before the agent can go on. */
  readonly waiting?: readonly WaitingApproval[]
}

/** What a publication of a task waits for; null in `waiting`: it may go on. */
export interface PublishLeave {
  readonly taskId: string
  readonly waiting: WaitingApproval | null
}

/** `due`: past its time by the workflow's clock. */
export interface ExpireApprovalsInput extends TaskRef {
  readonly due: readonly string[]
}

/** The tries of a comparison, ready to run. */
export interface ForkedAlternatives {
  readonly runs: readonly AlternativeRun[]
  /** When nobody is waited for any more: ISO 8601 in UTC. */
  readonly expiresAt: string
}

/** A task whose next model call its budget does not allow. */
export interface AwaitBudgetInput extends TaskRef {
  readonly phase?: Phase
  /** The model call that was not made. */
  readonly need?: BudgetNeed
  /** How long a task may wait from its last reply on, in hours. */
  readonly waitHours?: number
}

/** Whether and for how long the task waits. */
export interface BudgetWait {
  /** False: the call may be made now, there is nothing to wait for. */
  readonly isReached: boolean
  /** How much longer the task may wait. */
  readonly waitMs: number
}

/** A round of the review. */
export interface RoundInput extends TaskRef {
  readonly round: number
  readonly treeHash: string
  readonly fixRounds: number
  readonly maxFixRounds: number
}

/** What the checks of a round came to. */
export interface ChecksResult {
  readonly failed: number
  /** Set when failing checks ended the round: the state to show and whether a fix is owed. */
  readonly review: ReviewState
}

/** What the reviewer of a round came to. */
export interface ReviewResult {
  readonly verdict: RoundVerdict
  readonly review: ReviewState
  readonly turn: number
  readonly usage: Usage
  /** Set when the budget did not allow the reviewer's next call: there is no verdict yet. */
  readonly need?: BudgetNeed
}

/** Why a task has no review. */
export type SkipReason = 'no_changes' | 'disabled'

/** How a task ends. */
export type FinishInput = TaskRef &
  (
    | {
        readonly kind: 'completed'
        readonly outcome: Outcome
        readonly review: ReviewState
        /** Why there was no review: to be noted together with the end. */
        readonly skipped?: SkipReason
      }
    | { readonly kind: 'failed'; readonly reason: TaskReason }
    /** Who ended it and why, when it was told to the workflow itself rather than to the server. */
    | { readonly kind: 'cancelled'; readonly by?: string; readonly reason?: string }
  )

/**
 * Every activity: ids and small facts go in and come out, all else is in Postgres. Each may run more than once, and at the
 * same time as an attempt that was given up.
 */
export interface Activities {
  /**
   * All that comes before the first turn: `prepareSandbox` and, unless a set-up comes first,
   * `prepareProjectContext`.
   */
  prepareTask(input: TaskRef & { readonly force: boolean }): Promise<Prepared>
  /**
   * Makes or opens the project's sandbox, fills it from the project's source, takes the first checkpoint. Workers of the
   * version before answer nothing.
   */
  prepareSandbox(input: TaskRef): Promise<Prepared | undefined>
  /** Installs what the project's lock files name, when that is due. */
  setUpProject(input: TaskRef): Promise<void>
  /** The same while no task of the project runs. */
  setUpAlone(input: SetUpInput): Promise<void>
  /** Makes the context anew when an input changed or `force`; tells a running task's model when it did. */
  prepareProjectContext(input: TaskRef & { readonly force: boolean }): Promise<void>
  /** Runs the coder's turns until the first boundary after the slice's time, or until it is idle. */
  runTurns(input: TurnsInput): Promise<TurnsResult>
  /** The task's changes so far; none to code means that there is nothing to review. */
  captureChanges(input: TaskRef): Promise<ChangesResult>
  /** Opens the round and runs the project's checks. */
  runChecks(input: RoundInput): Promise<ChecksResult>
  /** Has the reviewer judge the tree and derives the verdict. */
  reviewChanges(input: RoundInput): Promise<ReviewResult>
  /** Notes that the review is skipped and why. */
  skipReview(input: TaskRef & { readonly reason: SkipReason }): Promise<ReviewState>
  /** Shows that the task waits for a person to raise its budget, unless that has happened already. */
  awaitBudget(input: AwaitBudgetInput): Promise<BudgetWait>
  /** Records a person's decision; refused with `approval_over` when another one stands. */
  recordDecision(input: TaskRef & { readonly decision: ResolveApproval }): Promise<ResolvedApproval>
  /** Lets expire what is past its time; returns what is still open. */
  expireApprovals(input: ExpireApprovalsInput): Promise<readonly WaitingApproval[]>
  /** Ends what still runs and closes the task; false when a message still waits, so that the agent must go on. */
  finishTask(input: FinishInput): Promise<boolean>
  /** Asks a person when the project's policy wants one for a publication; fails with `publish_denied` once it was denied. */
  askToPublish(input: PublishInput & { readonly isDue: boolean }): Promise<PublishLeave>
  /** Makes the commit that a publication pushes, once all that would forbid the push has been looked at. */
  buildCommit(input: PublishInput): Promise<void>
  /** Pushes the commit to its branch, never by force. */
  pushBranch(input: PublishInput): Promise<void>
  /** Opens the branch's pull request or brings it up to date; nothing when none was asked for. */
  openPullRequest(input: PublishInput): Promise<void>
  /** Ends the publication and tells how, with the reason when it failed. */
  finishPublication(input: PublishInput & { readonly error?: PublicationError }): Promise<void>
  /** Makes the projects and tasks of a comparison's alternatives, as far as nobody cancelled it, for the workflow to start. */
  forkAlternatives(input: CompareInput): Promise<ForkedAlternatives>
  /** Keeps what the alternatives came to and lets the evidence choose, or a person be waited for. */
  weighAlternatives(input: CompareInput): Promise<ComparisonLook>
  /** What the database says of a comparison. */
  lookAtComparison(input: CompareInput): Promise<ComparisonLook>
  /** Records a person's choice; refused with `already_decided` when another one stands. */
  recordChoice(input: CompareInput & { readonly choice: ChooseAlternative }): Promise<ComparisonLook>
  /** Brings the project's files to what was chosen; when that cannot be, a person is waited for. */
  applyChoice(input: CompareInput): Promise<ComparisonLook>
  /** Ends a comparison without a choice, unless it is over. */
  endComparison(
    input: CompareInput & { readonly end: { readonly state: 'cancelled' | 'failed'; readonly reason: string } },
  ): Promise<void>
  /** Removes the alternatives' sandboxes and projects, and what was said in them. */
  removeAlternatives(input: CompareInput): Promise<void>
  /** Makes the context of a project that has no running task. */
  refreshContext(input: { readonly projectId: string }): Promise<void>
}
