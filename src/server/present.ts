/** From rows to the contract's JSON: the one place that knows both. Absent means: not known. */

import type { StoredContext } from '../db/project/contexts.ts'
import type { Conversation, Message } from '../db/project/conversations.ts'
import type { Page, Project } from '../db/project/projects.ts'
import type { ReviewRound } from '../db/review/reviews.ts'
import type { Task } from '../db/task/tasks.ts'
import type { Checkpoint } from '../db/workspace/checkpoints.ts'
import { workflowIdFor } from '../shared/task.ts'

/** Whether anybody takes tasks: a task that waits says so. */
export type Workers = 'polling' | 'none'

/** A project as the API shows it. Pure. */
export function presentProject(project: Project) {
  const { id, name, source, sourceReport, sandboxProvider, activeTaskId, budget, alternativeOf, createdAt } = project
  // What was posted as files may be a megabyte; the files themselves have a route of their own.
  const shown = source.kind === 'files' ? { kind: source.kind, files: Object.keys(source.files).length } : source
  const { commit, ...report } = sourceReport ?? {}
  return {
    id,
    name,
    source: commit === undefined ? shown : { ...shown, commit },
    ...(sourceReport === null ? {} : { sourceReport: report }),
    sandboxProvider,
    activeTaskId,
    budget,
    createdAt: createdAt.toISOString(),
    ...(alternativeOf === null ? {} : { alternativeOf }),
  }
}

/** A conversation as the API shows it. Pure. */
export function presentConversation(conversation: Conversation) {
  const { id, projectId, title, activeTaskId, forkedFrom, createdAt, updatedAt } = conversation
  const fork = forkedFrom === null ? {} : { forkedFrom }
  const times = { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
  return { id, projectId, title, activeTaskId, ...fork, ...times }
}

/** A message as the API shows it. Pure. */
export function presentMessage(message: Message) {
  const { id, conversationId, taskId, role, text, status, createdAt, parts, turn } = message
  const base = { id, conversationId, taskId, role, text, status, createdAt: createdAt.toISOString(), parts }
  return turn === null ? base : { ...base, turn }
}

/** A task as the API shows it. Pure. */
export function presentTask(task: Task, workers: Workers) {
  return {
    id: task.id,
    projectId: task.projectId,
    conversationId: task.conversationId,
    workflowId: workflowIdFor(task.id),
    status: task.status,
    phase: task.phase,
    turn: task.turn,
    round: task.round,
    model: task.model,
    ...(task.outcome === null ? {} : { outcome: task.outcome }),
    ...(task.reason === null ? {} : { reason: task.reason }),
    review: task.review,
    evidence: task.evidence,
    ...(task.evidenceGaps.length === 0 ? {} : { evidenceGaps: task.evidenceGaps }),
    usage: task.usage,
    costUsd: task.costUsd,
    ...(task.estimatedUsd > 0 ? { estimatedUsd: task.estimatedUsd } : {}),
    diffStat: task.diffStat,
    ...(task.plan.length === 0 ? {} : { plan: task.plan }),
    ...(task.leftOut.length === 0 ? {} : { leftOut: task.leftOut }),
    budget: { maxUsd: task.maxUsd, maxTurns: task.maxTurns, maxMinutes: task.maxMinutes },
    workers,
    createdAt: task.createdAt.toISOString(),
    startedAt: task.startedAt?.toISOString() ?? null,
    finishedAt: task.finishedAt?.toISOString() ?? null,
  }
}

/** A checkpoint as the API shows it. Pure. */
export function presentCheckpoint(checkpoint: Checkpoint) {
  const { id, taskId, turn, treeHash, label, stat, restoredFrom, droppedAt, createdAt } = checkpoint
  const origin = restoredFrom === null ? {} : { restoredFrom }
  const gone = droppedAt === null ? {} : { droppedAt: droppedAt.toISOString() }
  return { id, taskId, turn, treeHash, label, stat, ...origin, ...gone, createdAt: createdAt.toISOString() }
}

/** A round of a review as the API shows it. Pure. */
export function presentRound(round: ReviewRound) {
  const {
    round: number,
    treeHash,
    plan,
    checks,
    verdict,
    summary,
    restoredTree,
    findings,
    createdAt,
    finishedAt,
  } = round
  const times = { createdAt: createdAt.toISOString(), finishedAt: finishedAt?.toISOString() ?? null }
  const rolledBack = restoredTree === null ? {} : { rolledBackTo: restoredTree }
  const leftOut = plan === null || plan.leftOut.length === 0 ? {} : { leftOutChecks: plan.leftOut }
  return {
    round: number,
    treeHash,
    checks: checks ?? [],
    ...leftOut,
    verdict,
    summary,
    ...rolledBack,
    findings,
    ...times,
  }
}

/** A project's context as the API shows it. Pure. */
export function presentContext(context: StoredContext) {
  const { markdown, hash, tokens, sources, generatedAt } = context
  return { markdown, hash, generatedAt: generatedAt.toISOString(), tokens, sources }
}

/** A page of a listing, each item shown by `present`. Pure. */
export function presentPage<Item, Shown>(page: Page<Item>, present: (item: Item) => Shown) {
  return { items: page.items.map(present), nextAfter: page.nextAfter }
}
