/** What a task asks people: the nouns and rules that server, worker, workflow and page share. Pure; no I/O, no zod. */

export const APPROVAL_KINDS = ['question', 'command', 'path', 'host', 'publish'] as const

/**
 * `question`: the agent asks. The others: the project's policy holds something back until a person has decided; `publish`
 * belongs to a publication, which waits by itself after its task has ended.
 */
export type ApprovalKind = (typeof APPROVAL_KINDS)[number]

/** What a person can say to an approval; `answer` is for questions. */
export const DECISIONS = ['approve', 'deny', 'answer'] as const
/** One of {@link DECISIONS}. */
export type Decision = (typeof DECISIONS)[number]

/** How long a decision holds: for this one call, for the task, or for the project from now on. */
export const DECISION_SCOPES = ['once', 'task', 'project'] as const
/** One of {@link DECISION_SCOPES}. */
export type DecisionScope = (typeof DECISION_SCOPES)[number]

/** Where an approval stands. `withdrawn`: its task ended before anybody decided. */
export type ApprovalState = 'open' | 'answered' | 'approved' | 'denied' | 'expired' | 'withdrawn'

/** The longest answer and note of a person, in characters: both stand in a workflow's history. */
export const MAX_ANSWER_CHARACTERS = 1_000

/** What is asked, as stored and shown; what does not belong to the kind is absent. */
export interface ApprovalDetail {
  readonly question?: string
  /** 2 to 6 of them; absent: the answer is free text. */
  readonly options?: readonly string[]
  /** Whether an answer beside the options is taken too. */
  readonly allowsText?: boolean
  /** What holds when nobody answers in time. */
  readonly default?: string
  /** The command that waits, cut to what a person can read. */
  readonly command?: string
  /** The paths that would change. */
  readonly paths?: readonly string[]
  readonly host?: string
  /** The policy's pattern that holds it back. */
  readonly pattern?: string
  /** The tree before a command's change, to which a denied one goes back. */
  readonly from?: string
  /** The publication that waits and the branch that it goes to. */
  readonly publicationId?: string
  readonly branch?: string
}

/** One entry of the `approvals` query; times are ISO 8601. */
export interface ApprovalSummary {
  readonly approvalId: string
  readonly kind: ApprovalKind
  readonly title: string
  readonly requestedAt: string
  readonly expiresAt: string
}

/** What the workflow knows of an open approval: enough to refuse an answer that does not fit. */
export interface WaitingApproval extends ApprovalSummary {
  /** {@link answerKey} of each option; absent: any text is an answer. */
  readonly optionKeys?: readonly string[]
}

/** Answer of the `approvals` query. */
export interface ApprovalsState {
  readonly open: readonly ApprovalSummary[]
  readonly decided: number
}

/** Argument of the `resolveApproval` update; whoever sends it may leave out what is optional. */
export interface ResolveApproval {
  readonly approvalId: string
  readonly decision: Decision
  readonly answer?: string
  /** A word for the model or the record. */
  readonly note?: string
  /** Who decided; `temporal` when left out. */
  readonly by?: string
  readonly scope?: DecisionScope
}

/** What the update answers with. */
export interface ResolvedApproval {
  readonly approvalId: string
  readonly state: ApprovalState
}

/** A short mark of an option, so that a history need not hold the text: FNV-1a over UTF-16 units, in hex. */
export function answerKey(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16)
}

/** The marks that an answer must be among; absent where any text is one. */
export function optionKeysOf({ options, allowsText }: ApprovalDetail): { optionKeys?: string[] } {
  return options === undefined || allowsText === true ? {} : { optionKeys: options.map(answerKey) }
}

/**
 * Why a decision does not fit what was asked, with the field at fault; null when it fits. Takes anything, since an update
 * may come from a command line.
 */
export function decisionFault(
  asked: Pick<WaitingApproval, 'kind' | 'optionKeys'>,
  given: { readonly decision?: unknown; readonly answer?: unknown; readonly note?: unknown; readonly scope?: unknown },
): { readonly field: 'decision' | 'answer' | 'note' | 'scope'; readonly message: string } | null {
  const { decision, answer, note, scope } = given
  if (asked.kind === 'publish' && scope !== undefined && scope !== 'once')
    return { field: 'scope', message: 'must be once: each publication is decided by itself' }
  if (note !== undefined && (typeof note !== 'string' || note.length > MAX_ANSWER_CHARACTERS))
    return { field: 'note', message: `must be a text of at most ${MAX_ANSWER_CHARACTERS} characters` }
  if (asked.kind !== 'question') {
    if (decision !== 'approve' && decision !== 'deny')
      return { field: 'decision', message: 'must be approve or deny: this is no question' }
    return answer === undefined ? null : { field: 'answer', message: 'has no place here: this is no question' }
  }
  if (decision === 'deny') return answer === undefined ? null : { field: 'answer', message: 'does not go with deny' }
  if (decision !== 'answer')
    return { field: 'decision', message: 'must be answer, or deny to leave the question to the agent' }
  if (typeof answer !== 'string' || answer.trim() === '')
    return { field: 'answer', message: 'is missing: a question wants one' }
  if (answer.length > MAX_ANSWER_CHARACTERS)
    return { field: 'answer', message: `must have at most ${MAX_ANSWER_CHARACTERS} characters` }
  if (asked.optionKeys !== undefined && !asked.optionKeys.includes(answerKey(answer.trim())))
    return { field: 'answer', message: 'is not among the options, and this question takes no other' }
  return null
}

/** What a decision makes of an approval. */
export const STATE_AFTER = { approve: 'approved', deny: 'denied', answer: 'answered' } as const satisfies Record<
  Decision,
  ApprovalState
>
