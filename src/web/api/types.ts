/** The contract's shapes as the page reads them. Times are ISO 8601 in UTC. */

import type { ApprovalDetail, ApprovalKind, ApprovalState, Decision, DecisionScope } from '../../shared/approval.ts'
import type { AlternativeResult, Chooser, ComparisonState } from '../../shared/comparison.ts'
import type { Environment, SetupStatus, ShownSetupCommand } from '../../shared/environment.ts'
import type { Claim, LedgerDecision, LedgerRow } from '../../shared/ledger.ts'
import type { LeftOut } from '../../shared/left-out.ts'
import type { Metrics, MetricsBucket } from '../../shared/metrics.ts'
import type { PlanItem } from '../../shared/plan.ts'
import type { CheckResult, Evidence, EvidenceGap, Finding, ReviewState, RoundVerdict } from '../../shared/review.ts'
import type { ServiceFacts } from '../../shared/service.ts'
import type { Budget, DiffStat, Outcome, Phase, TaskReason, TaskStatus, Usage } from '../../shared/task.ts'

export type { Budget, CheckResult, DiffStat, Finding, Metrics, MetricsBucket, ReviewState, Usage }

/** One page of a list; `nextAfter` is the cursor of the next one, null behind the last. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextAfter: string | null
}

/** Where a project’s files came from, or are to come from. */
export type ProjectSource =
  | { readonly kind: 'sample'; readonly name?: string }
  | { readonly kind: 'empty' }
  | { readonly kind: 'files'; readonly files: Readonly<Record<string, string>> }
  | { readonly kind: 'git'; readonly url: string; readonly ref?: string; readonly credentialId?: string }

/** A stored token, without its value. */
export interface Credential {
  readonly id: string
  readonly kind: 'git' | 'registry'
  readonly host: string
  readonly username?: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

/** A project as lists and its own call give it. */
export interface Project {
  readonly id: string
  readonly name: string
  readonly source: { readonly kind: string; readonly url?: string }
  readonly sandboxProvider: string
  readonly activeTaskId: string | null
  readonly createdAt: string
  /** The project whose task this one tries again; only a try has it. */
  readonly alternativeOf?: string
  /** Only when one project is read: the seq of its newest event. */
  readonly latestSeq?: number
}

/** A long-lived command of the project, such as a dev server. */
export interface ApiService extends ServiceFacts {
  readonly startedBy: 'user' | 'agent'
  readonly reason?: string
  readonly tail: string
}

/** An address that opens a service in a browser, once. */
export interface PreviewAddress {
  readonly url: string
  readonly form: 'host' | 'path'
}

/** A conversation without its messages; times are ISO 8601 in UTC. */
export interface Conversation {
  readonly id: string
  readonly projectId: string
  readonly title: string
  readonly activeTaskId: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** A tool call within a stored message, with what came of it. */
export interface ApiToolPart {
  readonly type: 'tool'
  readonly toolUseId: string
  readonly name: string
  readonly input: unknown
  readonly status?: 'requested' | 'started' | 'finished'
  readonly result: string | null
  readonly isError: boolean
  readonly durationMs: number | null
}

/** A piece of a stored message. */
export type ApiPart =
  | { readonly type: 'text' | 'thinking'; readonly text: string }
  | ApiToolPart
  | { readonly type: 'review' }

/** A stored message; its text and its parts say the same. */
export interface ApiMessage {
  readonly id: string
  readonly conversationId: string
  readonly taskId: string | null
  readonly role: 'user' | 'assistant' | 'note'
  readonly text: string
  readonly status: 'queued' | 'claimed' | 'streaming' | 'completed' | 'cancelled'
  readonly turn?: number
  readonly createdAt: string
  readonly parts: readonly ApiPart[]
}

/** Something that waits for a person, or did. */
export interface Approval extends Omit<ApprovalDetail, 'from'> {
  readonly id: string
  readonly projectId: string
  readonly projectName: string
  readonly conversationId: string
  readonly taskId: string
  readonly kind: ApprovalKind
  readonly title: string
  readonly status: ApprovalState
  readonly requestedAt: string
  readonly expiresAt: string
}

/**
 * A person’s decision on an approval: `answer` for a question alone, `scope` how far it holds (this once when left
 * out).
 */
export interface DecisionBody {
  readonly decision: Decision
  readonly answer?: string
  readonly note?: string
  readonly scope?: DecisionScope
}

/** A task as it stands now; what an older server did not say is left out. */
export interface ApiTask {
  readonly id: string
  readonly projectId: string
  readonly conversationId: string
  readonly workflowId: string
  readonly status: TaskStatus
  readonly phase: Phase
  readonly turn: number
  readonly round: number
  readonly model: string
  readonly outcome?: Outcome
  readonly reason?: TaskReason
  readonly review: ReviewState
  readonly evidence?: Evidence
  readonly evidenceGaps?: readonly EvidenceGap[]
  readonly usage: Usage
  readonly costUsd: number | null
  readonly diffStat: DiffStat
  readonly leftOut?: readonly LeftOut[]
  readonly plan?: readonly PlanItem[]
  readonly budget?: {
    readonly maxUsd: number | null
    readonly maxTurns: number | null
    readonly maxMinutes: number | null
  }
  readonly workers: 'polling' | 'none'
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

/** One review as it is stored; verdict and summary are null while it runs. */
export interface ApiRound {
  readonly round: number
  readonly treeHash: string
  readonly checks: readonly CheckResult[]
  readonly verdict: RoundVerdict | null
  readonly summary: string | null
  readonly findings: readonly Finding[]
  readonly createdAt: string
  readonly finishedAt: string | null
}

/** A task’s review with all its rounds, oldest first. */
export type ApiReview = ReviewState & { readonly rounds: readonly ApiRound[] }

/** The tree of a project’s files at one moment, and what had changed since the task began. */
export interface Checkpoint {
  readonly id: string
  readonly taskId: string
  readonly turn: number
  readonly treeHash: string
  readonly label: string
  readonly stat: DiffStat
  readonly createdAt: string
}

/** One changed file of a diff; `kind` is create, modify or delete. */
export interface DiffFile {
  readonly path: string
  readonly kind: string
  readonly added: number
  readonly removed: number
  readonly binary: boolean
}

/**
 * What changed between two checkpoints; null ids stand for the task’s start and for now. `truncated`: the patch is
 * cut, the list of files is whole.
 */
export interface Diff {
  readonly from: string | null
  readonly to: string | null
  readonly stat: DiffStat
  readonly files: readonly DiffFile[]
  readonly patch: string
  readonly truncated: boolean
  readonly leftOut: readonly LeftOut[]
}

/** A name in a directory; `path` is relative to the workspace. */
export interface FileEntry {
  readonly name: string
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink'
  readonly sizeBytes: number
}

/**
 * What lies in a directory; `truncated`: there is more than the server lists at once, and `unlisted` says how many names are
 * missing of which directory, null when nobody counted them.
 */
export interface FileListing {
  readonly path: string
  readonly entries: readonly FileEntry[]
  readonly truncated: boolean
  readonly unlisted: readonly { readonly path: string; readonly names: number | null }[]
}

/** A file, or the range of it that was asked for; base64 where it is no text. */
export interface FileContent {
  readonly path: string
  readonly sizeBytes: number
  readonly encoding: 'utf-8' | 'base64'
  readonly content: string
  readonly binary: boolean
  readonly truncated: boolean
}

/** What the project's commands run in, and what was found out about it. */
export interface ProjectEnvironment extends Environment {
  readonly setup: { readonly enabled: boolean; readonly commands: readonly ShownSetupCommand[] }
  readonly status: SetupStatus
  readonly registries: readonly { readonly tool: string; readonly hosts: readonly string[] }[]
  readonly toolchains: readonly { readonly name: string; readonly version: string }[]
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[]
  readonly workspace: 'read' | 'unavailable'
  readonly proposal?: { readonly path: string; readonly text: string }
}

/** What a task is told of its project, and which files it was made from. */
export interface ProjectContext {
  readonly markdown: string
  readonly hash: string
  readonly generatedAt: string
  readonly tokens: number
  readonly sources: readonly string[]
}

/** A message to the agent. The same `clientMessageId` with the same text is one message, however often it is sent. */
export interface ChatRequest {
  readonly message: string
  readonly conversationId?: string
  readonly clientMessageId: string
  readonly delivery?: 'steer' | 'queue'
  readonly model?: string
  readonly budget?: Budget
}

/** What became of a message; reading the events after `cursor` begins with it. */
export interface Accepted {
  readonly taskId: string
  readonly messageId: string
  readonly conversationId: string
  readonly projectId: string
  readonly joined: boolean
  readonly cursor: number
}

/** Whether the server’s stores answer, part by part. */
export interface Readiness {
  readonly status: string
  readonly parts?: Readonly<Record<string, string>>
}

/** One thing that reviews look for. */
export interface ReviewCriterion {
  readonly id: string
  readonly text: string
  readonly severity: Finding['severity']
  readonly enabled: boolean
  /** Confirmed among the `judged` findings; absent while nobody judged one. */
  readonly precision?: number
  readonly judged?: number
}

/** A command that must pass; `detected` ones come from the project’s files, others from a person. */
export interface ReviewCheck {
  readonly name: string
  readonly command: string
  readonly enabled: boolean
  readonly source: 'detected' | 'custom'
}

/** What a project's reviews look for. */
export interface ReviewCriteria {
  readonly version: number
  readonly criteria: readonly ReviewCriterion[]
  readonly checks: readonly ReviewCheck[]
  readonly maxFixRounds: number
  readonly enabled: boolean
  /** `unavailable`: the files could not be looked at, so no detected check and no proposal is named. */
  readonly workspace: 'read' | 'unavailable'
  readonly proposal?: { readonly path: string; readonly text: string; readonly hash: string }
}

export type { CriteriaProposal } from '../../shared/review.ts'

/** What a task’s verdict rests on: everything that ran, what people decided, and what its last words claim. */
export interface ApiEvidence {
  readonly evidence: Evidence
  readonly gaps: readonly EvidenceGap[]
  readonly rows: readonly LedgerRow[]
  readonly decisions: readonly LedgerDecision[]
  readonly claims: readonly Claim[]
}

/** What the page must know of the server it talks to. */
export interface Instance {
  readonly version: string
  readonly model: { readonly kind: 'anthropic' | 'scripted'; readonly name: string }
  /** Models that can be chosen per message. */
  readonly models: readonly { readonly id: string; readonly name: string }[]
  readonly workers: 'polling' | 'none'
  /** Without a slash at the end; absent when nobody told the server. */
  readonly temporalWebUrl?: string
  readonly temporalNamespace?: string
}

/** How a task’s change is to be published; what is left out the server decides. */
export interface PublishWish {
  readonly branch?: string
  readonly pullRequest?: boolean
  readonly allowWorkflowFiles?: boolean
  readonly fork?: boolean
  readonly clientPublishId?: string
}

/** What a sync came to. */
export interface Synced {
  readonly status: 'up_to_date' | 'merged' | 'conflicts'
  /** What the project's files come from now. */
  readonly commit: string
  readonly changed: readonly string[]
  /** Paths with conflict marks in them. */
  readonly conflicts: readonly string[]
}

/** A task's change on its way to its repository, or there. */
export interface Publication {
  readonly id: string
  readonly status: 'running' | 'finished' | 'failed'
  readonly step: 'approving' | 'building' | 'pushing' | 'opening' | 'done'
  readonly branch: string
  /** What it waits for, while its step is `approving`. */
  readonly approvalId?: string
  readonly commit?: string
  readonly branchUrl?: string
  readonly wantsPullRequest: boolean
  /** Whether it goes to the own fork of the token's owner. */
  readonly wantsFork: boolean
  readonly fork?: string
  readonly pullRequest: { readonly number: number; readonly url: string } | null
  readonly error?: { readonly code: string; readonly message: string }
}

/** One more try at a task's request, or, at index 0, the task itself; what is not known yet, or cannot be, is null. */
export interface Alternative extends AlternativeResult {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly model: string
  /** In the place of the project's; null: the project's. */
  readonly criteria: readonly string[] | null
}

/** Alternatives to a task's result, of which one is taken or none. */
export interface Comparison {
  readonly id: string
  readonly taskId: string
  readonly projectId: string
  readonly conversationId: string
  readonly state: ComparisonState
  readonly choose: Chooser
  readonly chosenIndex: number | null
  readonly chosenBy: Chooser | null
  /** Why the evidence chose it, or why nothing was chosen: one sentence. */
  readonly reason: string | null
  /** What the tries may cost together; null: no limit was set. */
  readonly maxCostUsd: number | null
  readonly createdAt: string
  readonly expiresAt: string
  readonly items: readonly Alternative[]
}

/** What further tries are asked for. */
export interface ComparisonBody {
  readonly alternatives: readonly { readonly model?: string; readonly criteria?: readonly string[] }[]
  /** Whether the task's own result stands beside them. */
  readonly include: boolean
  readonly choose: Chooser
  /** Sent twice it begins one comparison. */
  readonly clientComparisonId: string
}

/** What stands on a task's end card beside the task itself. */
export interface TaskEnding {
  readonly evidence: ApiEvidence
  /** Newest first. */
  readonly comparisons: readonly Comparison[]
  /** The newest; null: none was asked for. */
  readonly publication: Publication | null
  /** Whether the project has a repository to publish to. */
  readonly isGit: boolean
}
