import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildHistory, toolResultsOf, validateHistory } from '../../../src/agent/history.ts'
import { admitted, ReplyIds } from '../../../src/agent/made-valid.ts'
import type { JournalTurn } from '../../../src/db/turn/turns.ts'
import { profileFor } from '../../../src/model/profiles.ts'
import { ReplyAssembler } from '../../../src/model/reply-assembler.ts'
import { requestBody } from '../../../src/model/request-body.ts'
import type { AssistantBlock } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { wellFormed } from '../../../src/shared/text/well-formed.ts'
import { parseJson } from '../../../src/standin/http.ts'
import { validateRequest } from '../../../src/standin/validate.ts'
import { aCall, aTurn } from '../../support/turns.ts'

const use = (id: string): AssistantBlock => ({ type: 'tool_use', id, name: 'bash', input: { command: 'ls' } })
const thinking: AssistantBlock = { type: 'thinking', thinking: 'hm', signature: 'signed' }

/** A turn that made these calls, each of which has its result. */
function calling(taskId: string, turn: number, reply: AssistantBlock[], results: string[]): JournalTurn {
  return aTurn({
    taskId,
    turn,
    userContent: [
      ...results.map((id) => ({ type: 'tool_result' as const, tool_use_id: id, content: `result of ${id}` })),
      { type: 'text', text: `go on ${turn}` },
    ],
    reply,
    toolCalls: reply.flatMap((block) => (block.type === 'tool_use' ? [aCall({ toolUseId: block.id })] : [])),
  })
}

describe('what is told again', () => {
  test('holds no lone surrogate, in texts, inputs and their keys', () => {
    expect(wellFormed({ 'a\ud800': ['\udc00x', { b: 'c\ud83d' }], n: 1, ok: '😀' })).toEqual({
      'a\u{FFFD}': ['\u{FFFD}x', { b: 'c\u{FFFD}' }],
      n: 1,
      ok: '😀',
    })
  })

  test('well-formed values come back as they are, so that nothing is copied', () => {
    const value = { a: ['x', { b: '😀' }], n: null }
    expect(wellFormed(value)).toBe(value)
  })

  test('only a random id that is new stays; any other call gets one of ours, while it streams and when it is whole', () => {
    const good = 'toolu_01abcdefghijklmnopqrst'
    const content = [use(good), use('call_0'), use(''), use('a b'), use(good)]
    const ids = new ReplyIds('msg_7_1', ['toolu_01zzzzzzzzzzzzzzzzzzzz'])
    const streamed = ids.idOf(1, 'call_0')
    const named = admitted(content, ids).map((block) => (block.type === 'tool_use' ? block.id : ''))
    expect(named).toEqual([good, 'toolu_msg_7_1_1', 'toolu_msg_7_1_2', 'toolu_msg_7_1_3', 'toolu_msg_7_1_4'])
    expect(streamed).toBe('toolu_msg_7_1_1')
  })

  test('a call of a tool with an odd name, or none, has a name that may be sent back', () => {
    const odd = [
      { ...use('a'), name: 'bash<|x|>' },
      { ...use('b'), name: '' },
      { ...use('c'), name: 'é'.repeat(300) },
    ]
    const names = admitted(odd, new ReplyIds('m', [])).map((block) => (block.type === 'tool_use' ? block.name : ''))
    expect(names).toEqual(['bash__x__', 'unnamed', '_'.repeat(128)])
  })

  test('stored conversations in which two tasks share an id are told with two, each result beside its call', () => {
    const turns = [
      calling('t1', 1, [use('call_0')], []),
      calling('t1', 2, [{ type: 'text', text: 'done' }], ['call_0']),
      calling('t2', 1, [use('call_0')], []),
      calling('t2', 2, [{ type: 'text', text: 'done' }], ['call_0']),
    ]
    const history = buildHistory(turns)
    const ids = history.flatMap(({ content }) =>
      content.flatMap((block) =>
        block.type === 'tool_use' ? [block.id] : block.type === 'tool_result' ? [block.tool_use_id] : [],
      ),
    )
    expect(ids).toEqual(['call_0', 'call_0', 'toolu_told_1', 'toolu_told_1'])
    expect(validateHistory(history)).toBeNull()
  })

  test('thinking is told within its task and never after it', () => {
    const turns = [
      calling('t1', 1, [thinking, { type: 'text', text: 'one' }], []),
      calling('t2', 1, [thinking, use('a')], []),
      calling('t2', 2, [thinking, { type: 'text', text: 'two' }], ['a']),
    ]
    const kinds = (bare: boolean) =>
      buildHistory(turns, { bare }).flatMap(({ role, content }) =>
        role === 'assistant' ? [content.map(({ type }) => type)] : [],
      )
    expect(kinds(false)).toEqual([['text'], ['thinking', 'tool_use'], ['thinking', 'text']])
    expect(kinds(true)).toEqual([['text'], ['tool_use'], ['text']])
  })

  test('what the model refused is not told to the next task', () => {
    const turns = [
      aTurn({ taskId: 't1', userContent: [{ type: 'text', text: 'REFUSED' }], reply: [], stopReason: 'refusal' }),
      aTurn({ taskId: 't2', userContent: [{ type: 'text', text: 'hello' }], reply: null, stopReason: null }),
    ]
    expect(buildHistory(turns)).toEqual([{ role: 'user', content: [{ type: 'text', text: 'hello' }] }])
    expect(JSON.stringify(buildHistory(turns.slice(0, 1)))).toContain('REFUSED')
  })

  test('a call that failed without a word is told with one', () => {
    const failed = { type: 'tool_result' as const, tool_use_id: 'a', content: '', is_error: true }
    const quiet = { type: 'tool_result' as const, tool_use_id: 'b', content: '' }
    const turns = [
      calling('t1', 1, [use('a'), use('b')], []),
      aTurn({ taskId: 't1', turn: 2, userContent: [failed, quiet], reply: null, stopReason: null }),
    ]
    expect(buildHistory(turns).at(-1)?.content).toEqual([{ ...failed, content: '(it failed without a word)' }, quiet])
  })

  /** A request that says what these turns and these words say, as each kind of profile sends it. */
  function expectAccepted(turns: readonly JournalTurn[], last: string, anchor: number): void {
    const asked = aTurn({ taskId: 't9', reply: null, userContent: [{ type: 'text', text: last }] })
    for (const options of [{}, { bare: true }]) {
      const messages = buildHistory([...turns, asked], options)
      expect(validateHistory(messages)).toBeNull()
      const tools = [{ name: 'bash', description: '', input_schema: { type: 'object' as const } }]
      for (const model of ['claude-haiku-4-5', 'claude-haiku-5-5']) {
        for (const compat of [false, true]) {
          const profile = { ...profileFor(model, { compat: false }), ...(compat ? { sendsCacheControl: false } : {}) }
          const request = { model, system: ['s'], tools, messages, maxTokens: 1, taskId: 'tsk' }
          const body = JSON.stringify(requestBody({ ...request, anchor }, profile))
          expect(() => validateRequest(parseJson(body))).not.toThrow()
        }
      }
    }
  }

  const oddText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', ' \n', '\ud800', '😀', 'trailing \n', '\udc00 and \u0000', '\u2028', '{"name":"bash"}'),
  )

  test('no sequence of replies, however odd, makes a request that a strict server refuses', () => {
    const input = fc.oneof(
      fc.dictionary(oddText, fc.anything({ values: [oddText] })),
      fc.constant({ invalid_json: '{"a": "b"c"}' }),
    )
    const id = fc.constantFrom('call_0', 'call_1', '', 'a b', 'x'.repeat(200), 'toolu_01abcdefghijklmnopqrst', 'é/:|')
    const block: fc.Arbitrary<AssistantBlock> = fc.oneof(
      fc.record({ type: fc.constant('text' as const), text: oddText }),
      fc.record({ type: fc.constant('thinking' as const), thinking: oddText, signature: fc.constantFrom('', 'sig-x') }),
      fc.record({ type: fc.constant('redacted_thinking' as const), data: fc.constant('x') }),
      fc.record({ type: fc.constant('tool_use' as const), id, name: oddText, input }),
      fc.record({ type: fc.constant('tool_use' as const), id, name: oddText, input }),
    )
    const turn = fc.record({
      task: fc.integer({ min: 1, max: 3 }),
      reply: fc.option(fc.array(block, { maxLength: 4 })),
      isOld: fc.boolean(),
      words: fc.array(oddText, { maxLength: 2 }),
      stopReason: fc.constantFrom('end_turn', 'refusal', 'max_tokens'),
      result: fc.option(oddText),
      isError: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 8 }), oddText, fc.nat(9), (list, last, anchor) => {
        const turns: JournalTurn[] = []
        for (const told of list.toSorted((a, b) => a.task - b.task)) {
          // Journals of the version before hold replies as they came.
          const content = told.isOld ? told.reply : told.reply && admitted(told.reply, newIds(turns))
          turns.push(nextTurn(turns, { ...told, content }))
        }
        expectAccepted(turns, last, anchor)
      }),
      { numRuns: 500 },
    )
  })

  test('nor does any stream of events, whole or not, of this protocol or nearly of it', () => {
    const index = fc.constantFrom(0, 0, 1, 2, 7, -1, undefined)
    const usage = fc.constantFrom(
      {},
      null,
      undefined,
      { input_tokens: -5, output_tokens: 'x' },
      { output_tokens: 1e300 },
    )
    const pieceOfJson = fc.oneof(
      fc.constantFrom(
        '{"command":',
        '"ls"}',
        '{}',
        '{"a":"\\ud8',
        '00"}',
        '{"a":"\\',
        'n"}',
        '[',
        'null',
        '',
        '{"__proto__":1}',
      ),
      oddText,
    )
    const started = fc.oneof(
      fc.record({ type: fc.constant('text'), text: fc.oneof(oddText, fc.constant(null)) }),
      fc.record({ type: fc.constant('thinking'), thinking: oddText, signature: fc.constantFrom('', 's', null) }),
      fc.record({
        type: fc.constantFrom('redacted_thinking', 'server_tool_use', 'web_search_tool_result', 'news'),
        data: oddText,
      }),
      fc.record({
        type: fc.constant('tool_use'),
        id: fc.constantFrom('call_0', 'call_0', '', 'functions.bash:0', 'toolu_01abcdefghijklmnopqrst', null),
        name: fc.oneof(fc.constantFrom('bash', 'bash', 'read', null), oddText),
        input: fc.constantFrom({}, null, undefined, '{"command":"ls"}', 'ls', [1], { command: '\ud800' }),
      }),
    )
    const changed = fc.oneof(
      fc.record({ type: fc.constant('text_delta'), text: oddText }),
      fc.record({ type: fc.constant('thinking_delta'), thinking: oddText }),
      fc.record({ type: fc.constant('signature_delta'), signature: oddText }),
      fc.record({ type: fc.constant('input_json_delta'), partial_json: pieceOfJson }),
      fc.record({ type: fc.constantFrom('citations_delta', 'news_delta') }),
    )
    const stop = fc.constantFrom(
      ...['end_turn', 'tool_use', 'tool_use', 'max_tokens', 'refusal', 'pause_turn', 'stop', 'news', null, undefined],
    )
    const event = fc.oneof(
      fc.record({
        type: fc.constant('message_start'),
        message: fc.record({ id: fc.constantFrom('m1', 'm2', undefined), usage }),
      }),
      ...[1, 2].map(() => fc.record({ type: fc.constant('content_block_start'), index, content_block: started })),
      ...[1, 2].map(() => fc.record({ type: fc.constant('content_block_delta'), index, delta: changed })),
      ...[1, 2].map(() => fc.record({ type: fc.constant('content_block_stop'), index })),
      fc.record({ type: fc.constant('message_delta'), delta: fc.record({ stop_reason: stop }), usage }),
      fc.record({ type: fc.constantFrom('message_stop', 'ping', 'news') }),
    )
    const reply = fc.record({
      events: fc.array(event, { maxLength: 14 }),
      end: fc.record({ type: fc.constant('message_delta'), delta: fc.record({ stop_reason: stop }), usage }),
      task: fc.integer({ min: 1, max: 2 }),
      words: fc.array(oddText, { maxLength: 1 }),
      result: fc.option(oddText),
      isError: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 5 }), oddText, fc.nat(9), (list, last, anchor) => {
        const turns: JournalTurn[] = []
        for (const said of list.toSorted((a, b) => a.task - b.task)) {
          const events = [{ type: 'message_start', message: {} }, ...said.events, said.end, { type: 'message_stop' }]
          const heard = hear(events as unknown as RawMessageStreamEvent[], newIds(turns))
          turns.push(nextTurn(turns, { ...said, ...heard }))
        }
        expectAccepted(turns, last, anchor)
      }),
      { numRuns: 1_500 },
    )
  })
})

function newIds(turns: readonly JournalTurn[]): ReplyIds {
  return new ReplyIds(
    `msg_${turns.length}_1`,
    turns.flatMap(({ toolCalls }) => toolCalls.map(({ toolUseId }) => toolUseId)),
  )
}

/** What the loop stores of a stream; null when it is asked for again. Each part that was shown has its place in the reply. */
function hear(
  events: readonly RawMessageStreamEvent[],
  ids: ReplyIds,
): { content: AssistantBlock[] | null; stopReason: string } {
  const assembler = new ReplyAssembler()
  try {
    const deltas = events.flatMap((event) => assembler.add(event))
    const { content, stopReason, truncated, usage } = assembler.finish()
    for (const count of Object.values(usage)) expect(count).toSatisfy((n: number) => Number.isSafeInteger(n) && n >= 0)
    // Calls of a reply that was cut are gone, and so is thinking at its end; what is left stands where it was shown.
    if (truncated !== 'tool_use') {
      for (const delta of deltas) {
        const block = delta.type === 'block_start' ? content[delta.index] : undefined
        if (delta.type === 'block_start' && block !== undefined) expect(block.type).toBe(delta.block)
      }
    }
    return { content: stopReason === 'refusal' ? [] : admitted(content, ids), stopReason }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { content: null, stopReason: 'none' }
  }
}

interface Told {
  readonly task: number
  readonly content: readonly AssistantBlock[] | null
  readonly words: readonly string[]
  readonly stopReason: string
  readonly result: string | null
  readonly isError: boolean
}

function nextTurn(turns: readonly JournalTurn[], told: Told): JournalTurn {
  const { task, content, words, stopReason, result, isError } = told
  const before = turns.at(-1)?.taskId === `t${task}` ? turns.at(-1) : undefined
  const calls = (content ?? []).flatMap((each) => (each.type === 'tool_use' ? [each] : []))
  return {
    ...aTurn({ taskId: `t${task}`, turn: turns.length + 1, reply: content === null ? null : [...content], stopReason }),
    userContent: [
      ...(before ? toolResultsOf(before) : []),
      ...[...words, ...(before ? [] : ['x'])].map((each) => ({ type: 'text' as const, text: each })),
    ],
    toolCalls: calls.map(({ id: toolUseId, name }) =>
      aCall({ toolUseId, name, status: result === null ? 'started' : 'finished', result, isError }),
    ),
  }
}
