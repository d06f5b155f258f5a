/** The nouns of a task's evidence ledger, as types only. */

import type { ApprovalKind, ApprovalState, DecisionScope } from './approval.ts'

/** One thing that was run, or was not and why. */
export interface LedgerRow {
  /** Unique in its task, and the same at every reading. */
  readonly id: string
  readonly kind: 'check' | 'command'
  /** Who ran it. */
  readonly by: 'harness' | 'coder' | 'reviewer'
  /** A check's name. */
  readonly name?: string
  /** At most 2,000 characters. Absent for a check that is left out and names none. */
  readonly command?: string
  /** `left_out`: the project names it and the harness does not run it; `running`: it has not ended. */
  readonly status:
    | 'passed'
    | 'failed'
    | 'timed_out'
    | 'lost'
    | 'failed_before'
    | 'flaky'
    | 'not_run'
    | 'left_out'
    | 'running'
  readonly exitCode?: number
  readonly durationMs?: number
  /** Why it did not run, or how it ended other than by an exit code. */
  readonly reason?: string
  readonly turn?: number
  readonly round?: number
  /** Whose output `GET /api/conversations/:id/messages` shows; a check's stands in `GET /api/tasks/:id/review`. */
  readonly toolUseId?: string
  /** Hashes of the files before and after; absent: not known. */
  readonly treeBefore?: string
  readonly treeAfter?: string
}

/** What a person, or the time, decided of what the task or one of its publications asked. */
export interface LedgerDecision {
  readonly approvalId: string
  readonly kind: ApprovalKind
  readonly title: string
  readonly status: Exclude<ApprovalState, 'open'>
  readonly answer?: string
  readonly note?: string
  readonly scope?: DecisionScope
  /** Who decided; absent when nobody did. */
  readonly by?: string
  readonly turn: number
  /** ISO 8601. */
  readonly requestedAt: string
  readonly decidedAt: string
}

/** What a sentence of the final message says was run, and whether a row of the ledger bears it out. */
export interface Claim {
  /** The sentence, at most 300 characters. */
  readonly text: string
  readonly about: 'tests' | 'lint' | 'types' | 'build' | 'command'
  /** `unproven`: nothing of that kind ran, or not on the delivered files. */
  readonly mark: 'proven' | 'contradicted' | 'unproven'
  /** The row that proves or contradicts it. */
  readonly rowId?: string
  /** Why it is not proven, in a sentence for a person. */
  readonly reason?: string
}
