import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildHistory, toolResultsOf, validateHistory } from '../../../src/agent/history.ts'
import { admitted, ReplyIds } from '../../../src/agent/made-valid.ts'
import type { JournalTurn } from '../../../src/db/turn/turns.ts'
import { profileFor } from '../../../src/model/profiles.ts'
import { requestBody } from '../../../src/model/request-body.ts'
import type { AssistantBlock } from '../../../src/model/types.ts'
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

  test('no sequence of replies, however odd, makes a request that a strict server refuses', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', ' \n', '\ud800', '😀'),
      fc.constant('\udc00 and \u0000'),
    )
    const input = fc.oneof(
      fc.dictionary(text, fc.anything({ values: [text] })),
      fc.constant({ invalid_json: '{"a": "b"c"}' }),
    )
    const id = fc.constantFrom('call_0', 'call_1', '', 'a b', 'x'.repeat(200), 'toolu_01abcdefghijklmnopqrst')
    const block: fc.Arbitrary<AssistantBlock> = fc.oneof(
      fc.record({ type: fc.constant('text' as const), text }),
      fc.record({ type: fc.constant('thinking' as const), thinking: text, signature: fc.constantFrom('', 'sig-x') }),
      fc.record({ type: fc.constant('redacted_thinking' as const), data: fc.constant('x') }),
      fc.record({ type: fc.constant('tool_use' as const), id, name: text, input }),
    )
    const turn = fc.record({
      task: fc.integer({ min: 1, max: 3 }),
      reply: fc.option(fc.array(block, { maxLength: 4 })),
      isOld: fc.boolean(),
      words: fc.array(text, { maxLength: 2 }),
      stopReason: fc.constantFrom('end_turn', 'refusal', 'max_tokens'),
      result: fc.option(text),
    })
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 8 }), text, (list, last) => {
        const turns: JournalTurn[] = []
        for (const [index, { task, reply, isOld, words, stopReason, result }] of list
          .toSorted((a, b) => a.task - b.task)
          .entries()) {
          const taken = turns.flatMap(({ toolCalls }) => toolCalls.map(({ toolUseId }) => toolUseId))
          const before = turns.at(-1)?.taskId === `t${task}` ? turns.at(-1) : undefined
          // Journals of the version before hold replies as they came.
          const content = isOld ? reply : reply && admitted(reply, new ReplyIds(`msg_${index}_1`, taken))
          const calls = (content ?? []).flatMap((each) => (each.type === 'tool_use' ? [each] : []))
          turns.push({
            ...aTurn({ taskId: `t${task}`, turn: index + 1, reply: content, stopReason }),
            userContent: [
              ...(before ? toolResultsOf(before) : []),
              ...[...words, ...(before ? [] : ['x'])].map((each) => ({ type: 'text' as const, text: each })),
            ],
            toolCalls: calls.map(({ id: toolUseId, name }) =>
              aCall({ toolUseId, name, status: result === null ? 'started' : 'finished', result }),
            ),
          })
        }
        const asked = aTurn({ taskId: 't9', reply: null, userContent: [{ type: 'text', text: last }] })
        const messages = buildHistory([...turns, asked])
        expect(validateHistory(messages)).toBeNull()
        const profile = profileFor('claude-haiku-5-5', { compat: false })
        const request = { model: profile.model, system: ['s'], tools: [], messages, maxTokens: 1, taskId: 'tsk' }
        const tools = [{ name: 'bash', description: '', input_schema: { type: 'object' as const } }]
        const body = JSON.stringify(requestBody({ ...request, tools }, profile))
        expect(() => validateRequest(parseJson(body))).not.toThrow()
      }),
      { numRuns: 1_000 },
    )
  })
})
