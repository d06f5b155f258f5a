import type { JournalToolCall, JournalTurn } from '../../src/db/turn/turns.ts'
import type { AssistantBlock } from '../../src/model/types.ts'
import { NO_USAGE } from '../../src/shared/task.ts'

/** A finished call of `bash`. */
export function aCall(overrides: Partial<JournalToolCall> = {}): JournalToolCall {
  return {
    toolUseId: 'toolu_1',
    lane: 'coder',
    turn: 1,
    name: 'bash',
    input: '{"command":"true"}',
    status: 'finished',
    effect: null,
    result: 'done',
    isError: false,
    startedAt: null,
    ...overrides,
  }
}

/** A turn whose reply holds a text and the calls given, in their order. */
export function aTurn(overrides: Partial<JournalTurn> = {}): JournalTurn {
  const turn = overrides.turn ?? 1
  const calls = (overrides.toolCalls ?? []).map((call) => ({ ...call, turn }))
  const uses = calls.map(
    (call): AssistantBlock => ({
      type: 'tool_use',
      id: call.toolUseId,
      name: call.name,
      input: JSON.parse(call.input) as Readonly<Record<string, unknown>>,
    }),
  )
  return {
    taskId: 'tsk_1',
    turn,
    lane: 'coder',
    messageId: `msg_${turn}`,
    userContent: [{ type: 'text', text: `request ${turn}` }],
    reply: [{ type: 'text', text: `reply ${turn}` }, ...uses],
    stopReason: uses.length > 0 ? 'tool_use' : 'end_turn',
    attempts: 1,
    usage: NO_USAGE,
    costUsd: 0,
    firstTokenMs: 0,
    durationMs: 0,
    ...overrides,
    toolCalls: calls,
  }
}
