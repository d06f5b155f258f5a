/**
 * The stream's vocabulary: four topics, their event types and payloads. Server, worker, page and terminal client share
 * it, so it holds types and one table and imports nothing that runs.
 *
 * A durable event has a `seq` (per project, without holes) and is stored in Postgres in the transaction that makes it
 * true. A delta has none: it is a piece of a part that a later durable event holds in full.
 */

import type { ApprovalDetail, ApprovalSummary, Decision, DecisionScope } from '../shared/approval.ts'
import type { BudgetMark } from '../shared/budget.ts'
import type { ComparisonState } from '../shared/comparison.ts'
import type { LeftOut } from '../shared/left-out.ts'
import type { PlanItem } from '../shared/plan.ts'
import type {
  CheckResult,
  Evidence,
  EvidenceGap,
  Finding,
  Judgement,
  ReviewState,
  RoundVerdict,
} from '../shared/review.ts'
import type { DiffStat, Outcome, TaskReason, Usage } from '../shared/task.ts'

/**
 * The four topics, which are also the names of the server-sent events; a reader may ask for some of them by
 * `?topics=`.
 */
export const TOPICS = ['messages', 'status', 'file-changes', 'terminal'] as const
/** One of {@link TOPICS}. */
export type Topic = (typeof TOPICS)[number]

/** What every terminal event says about the task that ended. */
interface TaskEnd {
  readonly outcome?: Outcome
  readonly reason?: TaskReason
  readonly review: ReviewState
  /** What the checks of the delivered tree proved; events of older workers lack it. */
  readonly evidence?: Evidence
  /** What is missing for `verified`, each with its reason. */
  readonly evidenceGaps?: readonly EvidenceGap[]
  readonly usage: Usage
  readonly costUsd: number | null
  readonly diffStat: DiffStat
  /** What changed in places that checkpoints do not hold; absent when nothing did. */
  readonly leftOut?: readonly LeftOut[]
}

/** One text or thinking part of a finished message. */
export interface MessagePart {
  readonly partId: string
  readonly type: 'text' | 'thinking'
  readonly text: string
}

/** Which lane of a task a model call is for. */
export type ModelRole = 'coder' | 'reviewer'

/**
 * Events that Postgres keeps, by type. Each has a seq, is told to every reader once and in order, and can be read
 * again. A field that is added is optional, since readers and stored events of older versions lack it.
 */
export interface DurablePayloads {
  'task.accepted': { messageId: string; joined: boolean; waitingFor?: string }
  'task.started': { workflowId: string; model: string }
  'task.resumed': { activity: string; attempt: number }
  'task.cancel_requested': { by: string; reason?: string }
  'task.completed': TaskEnd & { outcome: Outcome }
  'task.failed': TaskEnd & { reason: TaskReason }
  'task.cancelled': TaskEnd & { killed: readonly { toolUseId: string; command: string }[] }
  'sandbox.starting': { provider: string }
  /** How far the files of a project are that is being prepared, in words. */
  'sandbox.progress': { text: string }
  'sandbox.ready': { provider: string; durationMs: number; reused: boolean }
  'sandbox.lost': { provider: string; detail: string }
  'setup.started': { commands: readonly { name: string; command: string }[] }
  /**
   * `failed` names the command that ended it; `restored` are lock files that it had changed. `fromCache`: what an earlier one had
   * installed was taken, and `output` says what.
   */
  'setup.finished': {
    state: 'ready' | 'failed'
    durationMs: number
    exitCode: number | null
    failed?: string
    fromCache?: boolean
    output: string
    restored: readonly string[]
  }
  /** A host that a command asked for and that the project's network policy does not allow. */
  'network.denied': { host: string; port: number; reason: string; command: string; toolUseId?: string }
  /** A long-lived command of the project began; its output is a part of no task, under the service's id. */
  'service.started': { serviceId: string; name: string; command: string; startedBy: 'user' | 'agent'; port?: number }
  'service.listening': { serviceId: string; name: string; port: number; ports: readonly number[] }
  'service.stopped': {
    serviceId: string
    name: string
    state: 'exited' | 'stopped'
    exitCode: number | null
    reason?: string
  }
  'publish.started': { publicationId: string; branch: string; pullRequest: boolean }
  'publish.finished': {
    publicationId: string
    status: 'finished' | 'failed'
    branch: string
    commit?: string
    branchUrl?: string
    pullRequest?: { number: number; url: string }
    error?: { code: string; message: string }
  }
  /** A comparison of alternatives moved on; what they came to is read by its id. */
  'comparison.updated': { comparisonId: string; taskId: string; state: ComparisonState; chosenIndex: number | null }
  'context.generated': { hash: string; tokens: number; forced: boolean; durationMs: number }
  'context.reused': { hash: string; tokens: number }
  'context.compacted': { before: number; after: number }
  /** A message made the project remember something; `DELETE …/memory/:factId` takes it back. */
  'memory.remembered': { messageId: string; version: number; facts: readonly { id: string; text: string }[] }
  'turn.started': { role: ModelRole }
  'turn.finished': {
    role: ModelRole
    stopReason: string
    usage: Usage
    costUsd: number | null
    firstTokenMs: number | null
    durationMs: number
  }
  'turn.reset': { attempt: number }
  'review.started': { round: number; treeHash: string; checks: readonly string[] }
  'review.check': { round: number; check: CheckResult }
  'review.finding': { round: number; finding: Finding }
  'review.verdict': {
    round: number
    verdict: RoundVerdict
    summary: string
    treeHash: string
    review: ReviewState
    /** What the checks of the tree that stands proved; events of older workers lack both. */
    evidence?: Evidence
    evidenceGaps?: readonly EvidenceGap[]
    /** Where the findings of earlier rounds stand after this one, by the database; events of older workers lack it. */
    findings?: readonly { id: string; state: Finding['state'] }[]
  }
  /** A person's word on a finding; the latest one counts. */
  'review.judged': { findingId: string; criterionId?: string; state: Finding['state']; judgement: Judgement }
  'review.skipped': { reason: 'no_changes' | 'disabled' }
  /** Something waits for a person; times are ISO 8601. */
  'approval.requested': ApprovalSummary & { detail: ApprovalDetail }
  /** `withdrawn`: the task that asked has ended. */
  'approval.resolved': {
    approvalId: string
    title: string
    decision: Decision | 'expired' | 'withdrawn'
    answer?: string
    note?: string
    scope?: DecisionScope
    by?: string
  }
  /** The whole plan; it takes the place of the one before. */
  'plan.updated': { toolUseId: string; items: readonly PlanItem[] }
  'budget.warning': BudgetMark
  'budget.reached': BudgetMark
  'model.retrying': { code: string; message: string; attempt: number; delayMs: number }
  /**
   * A server of one's own is silent: it has not begun its reply yet, or (`waitsFor` is `reply`) pauses within it; `limitMs` is
   * how long it is waited for. Stored by versions before, an event says nothing of `waitsFor` and means the prompt.
   */
  'model.reading': { message: string; waitedMs: number; limitMs: number; waitsFor?: 'prompt' | 'reply' }
  /** Another model answered than the one that was asked for, so that the cost is not known. */
  'model.substituted': { asked: string; answered: string; message: string }

  'message.created': { messageId: string; role: 'user' | 'assistant' | 'note'; text: string; clientMessageId?: string }
  'message.queued': { messageId: string; delivery: 'steer' | 'queue'; waitingFor?: string }
  'message.claimed': { messageId: string }
  /** A person took a queued message back: no turn will claim it. */
  'message.withdrawn': { messageId: string }
  /** `complete: true` stands once per task, on its final message; `message` and `timestamp` only there. */
  'message.completed': {
    messageId: string
    role: 'user' | 'assistant' | 'note'
    parts: readonly MessagePart[]
    complete: boolean
    message?: string
    timestamp?: number
    interrupted?: boolean
  }
  'tool.requested': { toolUseId: string; partId: string; name: string; input: unknown; messageId: string }
  'tool.started': { toolUseId: string; name: string }
  'tool.finished': { toolUseId: string; name: string; result: string; isError: boolean; durationMs: number }

  'file.changed': {
    path: string
    kind: 'create' | 'modify' | 'delete'
    added: number
    removed: number
    source: 'tool' | 'shell' | 'restore'
  }
  'diff.updated': { stat: DiffStat; leftOut?: readonly LeftOut[] }
  'checkpoint.created': { checkpointId: string; treeHash: string; label: string; stat: DiffStat }
  'checkpoint.restored': { checkpointId: string; treeHash: string; from: string; reason?: string }

  'command.started': { toolUseId: string; partId: string; command: string; cwd: string }
  /** Over 256 KiB `output` holds the head, `tail` the end; both base64. */
  'command.finished': {
    toolUseId: string
    partId: string
    status: 'exited' | 'timed_out' | 'idle_timed_out' | 'killed' | 'oom' | 'lost'
    exitCode: number | null
    durationMs: number
    truncated: boolean
    bytes: number
    output: string
    tail?: string
  }
}

/**
 * Pieces of a part that is still open; Redis alone keeps them. `offset` counts what came before, in UTF-16 units, for `output`
 * in bytes; `data` is base64. The part's closing event holds the whole.
 */
export interface DeltaPayloads {
  'text.delta': { messageId: string; partId: string; offset: number; delta: string }
  'thinking.delta': { messageId: string; partId: string; offset: number; delta: string }
  'tool.input_delta': { messageId: string; toolUseId: string; partId: string; offset: number; delta: string }
  output: { toolUseId: string; partId: string; offset: number; stream: 'stdout'; data: string }
}

/** Said by the server to one viewer, never stored: where to go on, or that Redis is away. */
export interface ViewerPayloads {
  'stream.resync': { latestSeq: number }
  /** `reconnectAfterMs` comes from a server that is about to stop: the stream ends, come back after that long. */
  'stream.degraded': { degraded: boolean; reconnectAfterMs?: number }
}

/** A type of event that Postgres keeps. */
export type DurableType = keyof DurablePayloads
/** A type of piece that is not kept. */
export type DeltaType = keyof DeltaPayloads
/** A type that the server says to one viewer. */
export type ViewerType = keyof ViewerPayloads
/** Every type that a stream may carry. */
export type EventType = DurableType | DeltaType | ViewerType

const TOPIC_BY_PREFIX = {
  task: 'status',
  sandbox: 'status',
  setup: 'status',
  network: 'status',
  service: 'status',
  publish: 'status',
  comparison: 'status',
  context: 'status',
  memory: 'status',
  turn: 'status',
  review: 'status',
  approval: 'status',
  plan: 'status',
  usage: 'status',
  budget: 'status',
  model: 'status',
  stream: 'status',
  message: 'messages',
  text: 'messages',
  thinking: 'messages',
  tool: 'messages',
  file: 'file-changes',
  diff: 'file-changes',
  checkpoint: 'file-changes',
  command: 'terminal',
  output: 'terminal',
} as const satisfies Record<string, Topic>

type Prefix = keyof typeof TOPIC_BY_PREFIX

/** The topic an event type belongs to: its `event:` field on the wire. */
export function topicOf(type: EventType): Topic {
  const prefix = type.split('.', 1)[0] as Prefix
  return TOPIC_BY_PREFIX[prefix]
}

/** The events after which a task's stream closes. */
export function isTerminalType(type: string): boolean {
  return type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled'
}

/** Which project, conversation, task and turn an event speaks of. Turn 0 means: outside any turn. */
export interface EventScope {
  readonly projectId: string
  readonly conversationId: string | null
  readonly taskId: string | null
  readonly turn?: number
}

/** A durable event before Postgres gave it a seq. `key` makes a repeat harmless, e.g. `tool.finished:toolu_1`. */
export type NewEvent = {
  [T in DurableType]: {
    readonly type: T
    readonly key: string
    readonly scope: EventScope
    readonly payload: DurablePayloads[T]
  }
}[DurableType]

/** A durable event as stored and sent: `data` is the JSON object of the frame, `seq` included. */
export interface StoredEvent {
  readonly seq: number
  readonly topic: Topic
  readonly type: DurableType
  readonly taskId: string | null
  readonly data: string
}

/** A piece as a worker publishes it. */
export type NewDelta = {
  [T in DeltaType]: { readonly type: T; readonly scope: EventScope; readonly payload: DeltaPayloads[T] }
}[DeltaType]

interface Envelope {
  readonly v: 1
  readonly projectId: string
  readonly conversationId?: string
  readonly taskId?: string
  readonly turn?: number
  readonly at: number
}

/** A parsed frame as readers fold it: envelope plus payload, told apart by `type`. */
export type StreamEvent =
  | { [T in DurableType]: Envelope & { readonly type: T; readonly seq: number } & DurablePayloads[T] }[DurableType]
  | { [T in DeltaType]: Envelope & { readonly type: T } & DeltaPayloads[T] }[DeltaType]
  | { [T in ViewerType]: Envelope & { readonly type: T } & ViewerPayloads[T] }[ViewerType]

/** What a durable event ends: one open part, all parts of a turn, or all parts of a task. */
export type Close =
  | { readonly kind: 'part'; readonly taskId: string; readonly partId: string }
  /** `streamsAgain`: the turn is asked for again, and its parts begin anew under the same ids. */
  | { readonly kind: 'turn'; readonly taskId: string; readonly turn: number; readonly streamsAgain: boolean }
  | { readonly kind: 'task'; readonly taskId: string }

/** What of a frame decides which parts it closes. */
export interface ClosingFields {
  readonly type: string
  readonly taskId?: string | undefined
  readonly turn?: unknown
  readonly partId?: unknown
  readonly parts?: readonly { readonly partId?: unknown }[] | undefined
}

/**
 * The open parts that a durable event closes. Publisher, hub and page all ask here, so they cannot disagree. A turn's end
 * closes what its events did not name: a reviewer's text has no `message.completed`.
 */
export function closedBy({ type, taskId, turn, partId, parts }: ClosingFields): Close[] {
  // A service belongs to no task; its output is a part all the same.
  if (taskId === undefined) return type === 'command.finished' ? closePart('', partId) : []
  if (isTerminalType(type)) return [{ kind: 'task', taskId }]
  switch (type) {
    case 'message.completed':
      return (parts ?? []).flatMap((part) => closePart(taskId, part.partId))
    case 'tool.requested':
    case 'command.finished':
      return closePart(taskId, partId)
    case 'turn.reset':
    case 'turn.finished':
      return typeof turn === 'number' ? [{ kind: 'turn', taskId, turn, streamsAgain: type === 'turn.reset' }] : []
    default:
      return []
  }
}

function closePart(taskId: string, partId: unknown): Close[] {
  return typeof partId === 'string' ? [{ kind: 'part', taskId, partId }] : []
}

/** A part's name within its project: tool-use ids, and so part ids, need only be unique within a task. */
export function partKey(taskId: string, partId: string): string {
  return `${taskId}/${partId}`
}
