/**
 * The journal's turns as the messages that the model sees. Pure. What the Messages API demands holds for every result
 * (see validateHistory): roles alternate beginning with `user`, nothing is empty, and every `tool_use` is answered once,
 * first thing in the next user message.
 */

import type { JournalTurn } from '../db/turn/turns.ts'
import type { AssistantBlock, HistoryMessage, ToolResultBlock, ToolUseBlock, UserBlock } from '../model/types.ts'
import { wellFormed } from '../shared/text/well-formed.ts'
import { BLANK, ToldIds, tellable, tellableWords, withoutThinking } from './made-valid.ts'

/** The result that the model is told for a call that never got one: what it did is not known. */
export const INTERRUPTED = 'Interrupted before it ended; it may have run in part. Check the state before you repeat it.'

/** The results of a turn's tool calls in the order of the reply; a call that did not finish says so. */
export function toolResultsOf(turn: JournalTurn): ToolResultBlock[] {
  const calls = new Map(turn.toolCalls.map((call) => [call.toolUseId, call]))
  return toolUsesOf(turn.reply ?? []).map((use) => {
    const call = calls.get(use.id)
    if (call?.status !== 'finished' || call.result === null) return interrupted(use.id)
    return {
      type: 'tool_result',
      tool_use_id: use.id,
      content: call.result,
      ...(call.isError ? { is_error: true } : {}),
    }
  })
}

function interrupted(toolUseId: string): ToolResultBlock {
  return { type: 'tool_result', tool_use_id: toolUseId, content: INTERRUPTED, is_error: true }
}

function toolUsesOf(blocks: readonly AssistantBlock[]): ToolUseBlock[] {
  return blocks.filter((block) => block.type === 'tool_use')
}

/** Stands for a result that a model refused to answer to, or that did not fit: told again it would be refused again. */
const LEFT_OUT = '(left out: the model did not answer to this)'

/**
 * Turns, which may span several tasks, as one valid history. A turn that never got its reply leaves its user message,
 * which joins the next one; a task that ended between a call and its result gets the results it had. Of earlier tasks the
 * model is not told its thinking, which is signed for the prefix that it was made with, nor what it refused. Text is
 * well-formed and ids of calls are unique, whatever is stored. `bare`: no thinking at all, for a server that refused it.
 */
export function buildHistory(
  turns: readonly JournalTurn[],
  options: { readonly bare?: boolean } = {},
): HistoryMessage[] {
  const messages: HistoryMessage[] = []
  const ids = new ToldIds()
  const currentTask = turns.at(-1)?.taskId
  for (const [index, turn] of turns.entries()) {
    const before = turns[index - 1]
    const owed = before && before.taskId !== turn.taskId ? toolResultsOf(before) : []
    const isCurrent = turn.taskId === currentTask
    const words = !isCurrent && turn.stopReason === 'refusal' ? withoutRefused(turn.userContent) : turn.userContent
    const opening = turn.opening ? [{ type: 'text' as const, text: turn.opening }] : []
    messages.push({ role: 'user', content: ids.results(tellableWords(wellFormed([...owed, ...opening, ...words]))) })
    const reply = wellFormed(turn.reply ?? [])
    const told = ids.reply(tellable(isCurrent && options.bare !== true ? reply : withoutThinking(reply)))
    if (told.length > 0) messages.push({ role: 'assistant', content: told })
  }
  const repaired = repairHistory(messages)
  return repaired.length > 0 ? repaired : [{ role: 'user', content: [{ type: 'text', text: BLANK }] }]
}

/** Stands for a message that did not fit the model's window when it was sent: told again it would not fit again. */
const UNFIT = '(a message of the user that did not fit into the model’s window is left out here)'

/**
 * A turn of an ended task that did not fit the window: when it never got its reply, a mark in place of its words, and marks
 * in place of its results. Any other turn comes back as it is. Pure.
 */
export function withoutUnfit(turn: JournalTurn): JournalTurn {
  if (turn.reply !== null) return turn
  const results = withoutRefused(turn.userContent)
  const isSaid = turn.userContent.some((block) => block.type === 'text')
  return { ...turn, userContent: [...results, ...(isSaid ? [{ type: 'text' as const, text: UNFIT }] : [])] }
}

/** A call needs its result, so what a model refused to answer to stays as a mark; its words go. */
function withoutRefused(content: readonly UserBlock[]): UserBlock[] {
  return content.flatMap((block) => (block.type === 'tool_result' ? [{ ...block, content: LEFT_OUT }] : []))
}

/**
 * The nearest valid history: neighbours of one role are joined, empty messages dropped, unanswered calls answered as
 * interrupted, second answers to one call and answers to none removed, results put before text, replies before the first
 * words of the user dropped. Twice is the same as once, and a valid history comes back equal.
 */
export function repairHistory(messages: readonly HistoryMessage[]): HistoryMessage[] {
  const joined = joinNeighbours(messages.filter((message) => message.content.length > 0))
  const repaired: HistoryMessage[] = []
  for (const message of joined) {
    const before = repaired.at(-1)
    if (message.role === 'assistant') {
      if (before) repaired.push(message)
      continue
    }
    const uses = before?.role === 'assistant' ? toolUsesOf(before.content) : []
    const content = answerAll(uses, message.content)
    if (content.length > 0) repaired.push({ role: 'user', content })
  }
  const joinedAgain = joinNeighbours(repaired)
  const last = joinedAgain.at(-1)
  const uses = last?.role === 'assistant' ? toolUsesOf(last.content) : []
  if (uses.length > 0) joinedAgain.push({ role: 'user', content: uses.map((use) => interrupted(use.id)) })
  return joinedAgain
}

function joinNeighbours(messages: readonly HistoryMessage[]): HistoryMessage[] {
  const joined: HistoryMessage[] = []
  for (const message of messages) {
    const last = joined.at(-1)
    if (last?.role === 'user' && message.role === 'user') {
      joined[joined.length - 1] = { role: 'user', content: [...last.content, ...message.content] }
    } else if (last?.role === 'assistant' && message.role === 'assistant') {
      joined[joined.length - 1] = { role: 'assistant', content: [...last.content, ...message.content] }
    } else {
      joined.push(message)
    }
  }
  return joined
}

function answerAll(uses: readonly ToolUseBlock[], content: readonly UserBlock[]): UserBlock[] {
  const owed = new Set(uses.map((use) => use.id))
  // A late real result can follow one that was made up for an interruption: the first one stands.
  const answers = content.filter((block) => block.type === 'tool_result' && owed.delete(block.tool_use_id))
  return [...answers, ...[...owed].map(interrupted), ...content.filter((block) => block.type === 'text')]
}

/** The first rule that a history breaks, or null. The scripted server refuses what this refuses. */
export function validateHistory(messages: readonly HistoryMessage[]): string | null {
  if (messages[0]?.role !== 'user') return 'the first message must be a user message'
  for (const [index, message] of messages.entries()) {
    const before = messages[index - 1]
    if (message.content.length === 0) return `message ${index} is empty`
    if (before?.role === message.role) return `messages ${index - 1} and ${index} have the same role`
    const problem = message.role === 'user' ? userProblem(message.content, before) : null
    if (problem) return `message ${index}: ${problem}`
  }
  const last = messages.at(-1)
  if (last?.role === 'assistant' && toolUsesOf(last.content).length > 0) return 'the last tool calls have no results'
  return null
}

function userProblem(content: readonly UserBlock[], before: HistoryMessage | undefined): string | null {
  const expected = new Set((before?.role === 'assistant' ? toolUsesOf(before.content) : []).map((use) => use.id))
  let sawText = false
  for (const block of content) {
    if (block.type === 'text') sawText = true
    else if (sawText) return 'a tool result stands after text'
    else if (!expected.delete(block.tool_use_id)) return `unexpected result for ${block.tool_use_id}`
  }
  return expected.size > 0 ? `no result for ${[...expected].join(', ')}` : null
}
