import type { ApprovalDetail, ApprovalKind, ApprovalState, DecisionScope } from '../shared/approval.ts'

/** What a call wants decided by a person before it goes on. */
export interface PersonAsk {
  readonly kind: ApprovalKind
  /** Cut to one line of at most 100 characters when it is stored. */
  readonly title: string
  readonly detail: ApprovalDetail
  readonly expiresMs: number
  /** A person has said no to exactly this before, for the project: nobody is asked. */
  readonly isDenied?: boolean
}

/** How a person decided, or what holds since nobody did. */
export interface Decided {
  readonly state: Exclude<ApprovalState, 'open'>
  readonly detail: ApprovalDetail
  readonly answer: string | null
  readonly note: string | null
  readonly scope: DecisionScope | null
}

/** `waits`: nobody has decided yet. `refused`: it is not asked at all; `message` tells the model why. */
export type Asked =
  | { readonly kind: 'waits' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'decided'; readonly decided: Decided }
