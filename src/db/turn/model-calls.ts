/** A turn's model calls: each one counted, its reply stored whole before any of its tools starts, and what broke off. */

import type { MessagePart, NewEvent } from '../../events/topics.ts'
import type { ModelReply } from '../../model/types.ts'
import { replyStored } from '../../shared/refusals.ts'
import type { Usage } from '../../shared/task.ts'
import { storable } from '../storable.ts'
import type { Attempt } from '../task/attempt.ts'
import { type StartedCall, startEvents, turnFinished } from './tool-calls.ts'
import type { JournalTurn, LaneName } from './turns.ts'

/** Counts a model call that is made again (a turn's first came with the turn) and has readers drop what the last streamed. */
export async function beginModelCall(attempt: Attempt, turn: number): Promise<number> {
  return await attempt.tx(async (tx) => {
    const [row] = await tx.query<{ attempts: number }>(
      'UPDATE turns SET attempts = attempts + 1 WHERE task_id = $1 AND turn = $2 AND reply_content IS NULL RETURNING attempts',
      [attempt.scope.taskId, turn],
    )
    if (!row) throw replyStored()
    tx.emit({
      type: 'turn.reset',
      key: `turn.reset:${attempt.scope.taskId}:${turn}:${row.attempts}`,
      scope: { ...attempt.scope, turn },
      payload: { attempt: row.attempts },
    })
    return row.attempts
  })
}

/** A tool call as the reply asked for it, with its content block's part. */
export interface RequestedCall {
  readonly toolUseId: string
  readonly partId: string
  readonly name: string
  readonly input: unknown
}

/** A reply that is whole, with the calls of tools that it asks for. */
export interface StoreReply {
  readonly turn: number
  readonly lane: LaneName
  readonly messageId: string
  readonly reply: ModelReply
  readonly parts: readonly MessagePart[]
  readonly calls: readonly RequestedCall[]
}

/**
 * Stores a whole reply with the tool calls it asks for, and notes what the one that begins at once is about to do; from
 * here on it is never asked for again. Throws `journal_conflict` when the turn has a reply, `model_rejected` for ids that
 * repeat.
 */
export async function storeReply(attempt: Attempt, store: StoreReply, started?: StartedCall): Promise<void> {
  const { reply } = store
  const { usage } = reply
  const text = store.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n')
  const columns = {
    content: JSON.stringify(reply.content),
    stop_reason: reply.stopReason,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    cost_usd: reply.costUsd,
    model: storable(reply.model),
    first_token_ms: reply.firstTokenMs === null ? null : Math.round(reply.firstTokenMs),
    duration_ms: Math.round(reply.durationMs),
    text: storable(text),
  }
  const calls = store.calls.map(({ toolUseId, name, input }) => {
    return { id: storable(toolUseId), name: storable(name), input: JSON.stringify(input) }
  })
  const values = [
    store.turn,
    store.lane,
    JSON.stringify(columns),
    JSON.stringify(calls),
    started?.call.toolUseId ?? null,
    started ? JSON.stringify(started.effect) : null,
  ]
  const events = [...replyEvents(attempt, store), ...(started ? startEvents(attempt, started) : [])]
  await attempt.call('store_reply', values, events)
}

function replyEvents(attempt: Attempt, store: StoreReply): NewEvent[] {
  const scope = { ...attempt.scope, turn: store.turn }
  const { messageId, parts, calls } = store
  const said: NewEvent = {
    type: 'message.completed',
    key: `message.completed:${messageId}`,
    scope,
    payload: { messageId, role: 'assistant', parts, complete: false },
  }
  const asked = calls.map(
    (call): NewEvent => ({
      type: 'tool.requested',
      key: `tool.requested:${attempt.scope.taskId}:${call.toolUseId}`,
      scope,
      payload: { ...call, messageId },
    }),
  )
  return [
    ...(store.lane === 'coder' ? [said] : []),
    ...asked,
    ...(calls.length === 0 ? [turnFinished(attempt, store.turn, store.lane, store.reply)] : []),
  ]
}

/** What a model call cost that never became a reply. */
export interface Spent {
  readonly usage: Usage
  readonly costUsd: number | null
  /** The model's server did not say; the output was estimated. */
  readonly isEstimated?: boolean
}

/** Counts what a model call cost that broke off before its reply was whole. */
export async function recordSpent(attempt: Attempt, { usage, costUsd, isEstimated = false }: Spent): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query(
      `UPDATE tasks SET input_tokens = input_tokens + $2, output_tokens = output_tokens + $3,
         cache_read_tokens = cache_read_tokens + $4, cache_write_tokens = cache_write_tokens + $5,
         cost_usd = cost_usd + coalesce($6::float, 0), unpriced_calls = unpriced_calls + (CASE WHEN $6::float IS NULL THEN 1 ELSE 0 END),
         estimated_usd = estimated_usd + CASE WHEN $7::bool THEN coalesce($6::float, 0) ELSE 0 END
       WHERE id = $1`,
      [
        attempt.scope.taskId,
        usage.inputTokens,
        usage.outputTokens,
        usage.cacheReadTokens,
        usage.cacheWriteTokens,
        costUsd,
        isEstimated,
      ],
    )
  })
}

/** Marks a turn whose reply was cut off by a cancellation: what had arrived is kept for people, not for the model. */
export async function interruptTurn(attempt: Attempt, turn: JournalTurn, parts: readonly MessagePart[]): Promise<void> {
  const text = parts.filter((part) => part.type === 'text').map((part) => part.text)
  await attempt.tx(async (tx) => {
    await tx.query(`UPDATE messages SET text = $2, status = 'cancelled' WHERE id = $1 AND status = 'streaming'`, [
      turn.messageId,
      text.join('\n\n').replaceAll('\0', '\u{FFFD}'),
    ])
    tx.emit({
      type: 'message.completed',
      key: `message.completed:${turn.messageId}`,
      scope: { ...attempt.scope, turn: turn.turn },
      payload: { messageId: turn.messageId, role: 'assistant', parts, complete: false, interrupted: true },
    })
  })
}
