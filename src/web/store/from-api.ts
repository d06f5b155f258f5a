/** From the contract's JSON to what the stream's reducer makes, for what is read by GET. Pure. */

import type { ApiMessage, ApiPart, ApiReview, ApiTask } from '../api/types.ts'
import { newTask } from '../reduce-task.ts'
import type { MessageView, PartView, TaskView } from '../state.ts'

/** `order` stays null: a page of messages says their order by where they stand. */
export function messageFromApi(message: ApiMessage): MessageView {
  const { id, conversationId, taskId, role, status, createdAt, turn = 0 } = message
  return {
    id,
    conversationId,
    taskId,
    turn,
    role,
    author: 'coder',
    status,
    clientMessageId: null,
    parts: message.parts.flatMap((part, index) => partFromApi(part, `${id}:${index}`)),
    isFinal: false,
    order: null,
    at: Date.parse(createdAt),
  }
}

function partFromApi(part: ApiPart, partId: string): PartView[] {
  if (part.type === 'text' || part.type === 'thinking')
    return [{ type: part.type, partId, text: part.text, isOpen: false }]
  if (part.type !== 'tool') return []
  const { toolUseId, name, input, result, isError, durationMs } = part
  const status = part.status ?? (result === null ? 'requested' : 'finished')
  return [
    {
      type: 'tool',
      partId,
      toolUseId,
      name,
      input,
      inputText: null,
      status,
      result,
      isError,
      durationMs,
      isOpen: false,
    },
  ]
}

/** What GET tells of a task: all but its commands, files and steps. */
export function taskFromApi(task: ApiTask, review: ApiReview | null): TaskView {
  const at = (time: string | null): number | null => (time === null ? null : Date.parse(time))
  return {
    ...newTask(task.id, { conversationId: task.conversationId, at: Date.parse(task.createdAt) }),
    status: task.status,
    phase: task.phase,
    turn: task.turn,
    round: task.round,
    model: task.model,
    startedAt: at(task.startedAt),
    endedAt: at(task.finishedAt),
    outcome: task.outcome ?? null,
    reason: task.reason ?? null,
    review: task.review,
    rounds: (review?.rounds ?? []).map((round, index) => ({ ...round, order: index })),
    usage: task.usage,
    costUsd: task.costUsd,
    diffStat: task.diffStat,
    leftOut: task.leftOut ?? [],
    plan: task.plan ?? [],
    evidence: task.evidence ?? null,
    evidenceGaps: task.evidenceGaps ?? [],
  }
}
