import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildHistory, validateHistory } from '../../../src/agent/history.ts'
import { wellFormed, withNewIds } from '../../../src/agent/made-valid.ts'
import type { JournalTurn } from '../../../src/db/journal.ts'
import type { AssistantBlock } from '../../../src/model/types.ts'
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

  test('a call whose id was used before gets a new one, the same each time', () => {
    const fresh = (index: number) => `new_${index}`
    const content = [use('call_0'), use('call_1'), use(''), use('a b'), use('call_1')]
    const ids = (blocks: AssistantBlock[]) => blocks.map((block) => (block.type === 'tool_use' ? block.id : ''))
    expect(ids(withNewIds(content, new Set(['call_0']), fresh))).toEqual(['new_0', 'call_1', 'new_2', 'new_3', 'new_4'])
    expect(withNewIds(content, new Set(['call_0']), fresh)).toEqual(withNewIds(content, new Set(['call_0']), fresh))
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

  test('no sequence of replies makes an invalid history', () => {
    const text = fc.string({ unit: 'binary' })
    const id = fc.constantFrom('call_0', 'call_1', '', 'a b', 'x'.repeat(200))
    const block = fc.oneof(
      fc.record({ type: fc.constant('text' as const), text: text.map((value) => `x${value}`) }),
      fc.constant(thinking),
      id.map(use),
    )
    const turn = fc.record({ task: fc.integer({ min: 1, max: 3 }), reply: fc.array(block, { maxLength: 4 }) })
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 8 }), (list) => {
        const ordered = list.toSorted((a, b) => a.task - b.task)
        const turns = ordered.map(({ task, reply }, index) => {
          const before = ordered[index - 1]
          const owed = before?.task === task ? before.reply : []
          const results = owed.flatMap((each) => (each.type === 'tool_use' ? [each.id] : []))
          return calling(`t${task}`, index + 1, reply, results)
        })
        const history = buildHistory([...turns, aTurn({ taskId: 't9', reply: null })])
        const ids = history.flatMap(({ content }) =>
          content.flatMap((each) => (each.type === 'tool_use' ? [each.id] : [])),
        )
        expect([validateHistory(history), new Set(ids).size, JSON.stringify(history).isWellFormed()]).toEqual([
          null,
          ids.length,
          true,
        ])
        expect(JSON.stringify(history)).not.toMatch(/\\ud[89a-f]/i)
      }),
    )
  })
})
