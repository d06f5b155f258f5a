import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildHistory, INTERRUPTED, repairHistory, toolResultsOf, validateHistory } from '../../../src/agent/history.ts'
import type { JournalTurn } from '../../../src/db/turn/turns.ts'
import type { AssistantBlock, HistoryMessage, UserBlock } from '../../../src/model/types.ts'
import { aCall, aTurn } from '../../support/turns.ts'

const RUNS = 2_000

const text = { type: 'text', text: 'words' } as const
const use = (id: string): AssistantBlock => ({ type: 'tool_use', id, name: 'bash', input: {} })
const result = (id: string, content = 'ok'): UserBlock => ({ type: 'tool_result', tool_use_id: id, content })
const cut = (id: string): UserBlock => ({ type: 'tool_result', tool_use_id: id, content: INTERRUPTED, is_error: true })

/** Messages in any order, with answers to anything and to nothing; only the ids of calls are unique, as in the journal. */
const anyHistory: fc.Arbitrary<HistoryMessage[]> = fc
  .array(
    fc.oneof(
      fc.record({
        role: fc.constant('user' as const),
        content: fc.array(
          fc.oneof(
            fc.constant('text' as const),
            fc.nat(7).map((id) => id),
          ),
          { maxLength: 4 },
        ),
      }),
      fc.record({
        role: fc.constant('assistant' as const),
        content: fc.array(fc.constantFrom('text' as const, 'use' as const), { maxLength: 3 }),
      }),
    ),
    { maxLength: 10 },
  )
  .map((messages) => {
    let ids = 0
    return messages.map((message): HistoryMessage => {
      if (message.role === 'user') {
        return { role: 'user', content: message.content.map((it) => (it === 'text' ? text : result(`t${it}`))) }
      }
      return { role: 'assistant', content: message.content.map((it) => (it === 'text' ? text : use(`t${ids++}`))) }
    })
  })

/** Histories that break no rule: answers of one message may come in any order. */
const validHistory: fc.Arbitrary<HistoryMessage[]> = fc
  .array(fc.record({ uses: fc.nat(3), shuffle: fc.boolean(), says: fc.boolean() }), { minLength: 1, maxLength: 6 })
  .map((turns) => {
    const messages: HistoryMessage[] = [{ role: 'user', content: [text] }]
    let ids = 0
    for (const turn of turns) {
      const own = Array.from({ length: turn.uses }, () => `t${ids++}`)
      messages.push({ role: 'assistant', content: [text, ...own.map(use)] })
      const answers = turn.shuffle ? own.toReversed() : own
      const isBare = answers.length === 0
      messages.push({
        role: 'user',
        content: [...answers.map((id) => result(id)), ...(turn.says || isBare ? [text] : [])],
      })
    }
    return messages
  })

describe('repairHistory', () => {
  test('makes any history valid, or empty when it holds nothing to say', () => {
    fc.assert(
      fc.property(anyHistory, (messages) => {
        const repaired = repairHistory(messages)
        if (repaired.length > 0) expect(validateHistory(repaired)).toBeNull()
      }),
      { numRuns: RUNS },
    )
  })

  test('changes nothing the second time', () => {
    fc.assert(
      fc.property(anyHistory, (messages) => {
        const once = repairHistory(messages)
        expect(repairHistory(once)).toEqual(once)
      }),
      { numRuns: RUNS },
    )
  })

  test('gives a valid history back equal, so that the prompt cache holds', () => {
    fc.assert(
      fc.property(validHistory, (messages) => {
        expect(validateHistory(messages)).toBeNull()
        expect(repairHistory(messages)).toEqual(messages)
      }),
      { numRuns: RUNS },
    )
  })

  test('keeps every text of the user after the first of them', () => {
    fc.assert(
      fc.property(anyHistory, (messages) => {
        const texts = (history: readonly HistoryMessage[]) =>
          history
            .flatMap((message) => (message.role === 'user' ? message.content : []))
            .filter((it) => it.type === 'text')
        expect(texts(repairHistory(messages))).toHaveLength(texts(messages).length)
      }),
      { numRuns: RUNS },
    )
  })

  test('drops what stands before the first words of the user', () => {
    const messages: HistoryMessage[] = [
      { role: 'assistant', content: [use('a')] },
      { role: 'user', content: [result('a')] },
      { role: 'assistant', content: [text] },
      { role: 'user', content: [text] },
    ]
    expect(repairHistory(messages)).toEqual([{ role: 'user', content: [text] }])
  })

  test('answers a call once: the first result stands, later ones and strangers go', () => {
    const messages: HistoryMessage[] = [
      { role: 'user', content: [text] },
      { role: 'assistant', content: [use('a'), use('b')] },
      { role: 'user', content: [text, result('a', 'first'), result('a', 'second'), result('x')] },
    ]
    expect(repairHistory(messages)).toEqual([
      ...messages.slice(0, 2),
      { role: 'user', content: [result('a', 'first'), cut('b'), text] },
    ])
  })
})

describe('validateHistory', () => {
  const asked: HistoryMessage[] = [
    { role: 'user', content: [text] },
    { role: 'assistant', content: [use('a')] },
  ]
  test.each<[string, HistoryMessage[], string]>([
    ['an empty history', [], 'the first message must be a user message'],
    ['an assistant first', [{ role: 'assistant', content: [text] }], 'the first message must be a user message'],
    ['an empty message', [{ role: 'user', content: [] }], 'message 0 is empty'],
    [
      'two of one role',
      [asked[0] ?? { role: 'user', content: [] }, { role: 'user', content: [text] }],
      'messages 0 and 1 have the same role',
    ],
    ['a call at the end', asked, 'the last tool calls have no results'],
    ['a missing result', [...asked, { role: 'user', content: [text] }], 'message 2: no result for a'],
    [
      'a result after text',
      [...asked, { role: 'user', content: [text, result('a')] }],
      'message 2: a tool result stands after text',
    ],
    ['a strange result', [...asked, { role: 'user', content: [result('b')] }], 'message 2: unexpected result for b'],
    [
      'a second result',
      [...asked, { role: 'user', content: [result('a'), result('a')] }],
      'message 2: unexpected result for a',
    ],
  ])('refuses %s', (_, messages, problem) => {
    expect(validateHistory(messages)).toBe(problem)
  })
})

describe('buildHistory', () => {
  test('gives results in the order of the reply, errors marked, unfinished calls as interrupted', () => {
    const turn = aTurn({
      toolCalls: [
        aCall({ toolUseId: 'a', status: 'started', result: null }),
        aCall({ toolUseId: 'b', result: 'no such file', isError: true }),
        aCall({ toolUseId: 'c', result: 'fine' }),
      ],
    })
    const shuffled = { ...turn, toolCalls: turn.toolCalls.toReversed() }
    expect(toolResultsOf(shuffled)).toEqual([
      cut('a'),
      { type: 'tool_result', tool_use_id: 'b', content: 'no such file', is_error: true },
      { type: 'tool_result', tool_use_id: 'c', content: 'fine' },
    ])
  })

  test('joins a cancelled task to the next one: its calls are answered with what they had, before the new words', () => {
    const first = aTurn({
      taskId: 'tsk_1',
      toolCalls: [
        aCall({ toolUseId: 'a', result: 'kept' }),
        aCall({ toolUseId: 'b', status: 'started', result: null }),
      ],
    })
    const second = aTurn({ taskId: 'tsk_2', userContent: [{ type: 'text', text: 'go on' }] })
    expect(buildHistory([first, second])).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'request 1' }] },
      { role: 'assistant', content: first.reply },
      { role: 'user', content: [result('a', 'kept'), cut('b'), { type: 'text', text: 'go on' }] },
      { role: 'assistant', content: second.reply },
    ])
  })

  test('keeps the words of a turn that never got its reply, and drops those that the model refused', () => {
    const broken = aTurn({ taskId: 'tsk_1', reply: null, stopReason: null })
    const refused = aTurn({
      taskId: 'tsk_2',
      reply: [],
      stopReason: 'refusal',
      userContent: [{ type: 'text', text: 'two' }],
    })
    const next = aTurn({ taskId: 'tsk_3', reply: null, userContent: [{ type: 'text', text: 'three' }] })
    expect(buildHistory([broken, refused, next])).toEqual([
      {
        role: 'user',
        content: ['request 1', 'three'].map((words) => ({ type: 'text', text: words })),
      },
    ])
  })

  test('is valid for every journal that tasks can leave behind, ready to be sent', () => {
    fc.assert(
      fc.property(fc.array(anyTask, { minLength: 1, maxLength: 4 }), (tasks) => {
        const turns = journalOf(tasks)
        expect(validateHistory(buildHistory(turns))).toBeNull()
      }),
      { numRuns: RUNS },
    )
  })

  test('only ever appends: what was sent with one turn begins what is sent with the next', () => {
    fc.assert(
      fc.property(fc.array(anyTask, { minLength: 1, maxLength: 3 }), (tasks) => {
        const turns = journalOf(tasks)
        const replied = turns.filter((turn) => (turn.reply?.length ?? 0) > 0)
        const whole = buildHistory(replied)
        const before = buildHistory(replied.slice(0, -1))
        const isOpen = before.at(-1)?.role === 'user'
        expect(whole.slice(0, isOpen ? before.length - 1 : before.length)).toEqual(
          before.slice(0, isOpen ? -1 : undefined),
        )
      }),
      { numRuns: RUNS },
    )
  })
})

type Ending = 'answered' | 'streaming' | 'refused' | 'calls_open'
interface ShapeOfTask {
  readonly turns: readonly number[]
  readonly ending: Ending
}

/** How many calls each turn makes, and how the task's last turn ended. */
const anyTask: fc.Arbitrary<ShapeOfTask> = fc.record({
  turns: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  ending: fc.constantFrom<Ending>('answered', 'streaming', 'refused', 'calls_open'),
})

function journalOf(tasks: readonly ShapeOfTask[]): JournalTurn[] {
  let ids = 0
  const turns: JournalTurn[] = []
  for (const [index, task] of tasks.entries()) {
    const taskId = `tsk_${index}`
    const own: JournalTurn[] = []
    for (const calls of task.turns) {
      const toolCalls = Array.from({ length: calls }, () => aCall({ toolUseId: `t${ids++}` }))
      own.push(aTurn({ taskId, turn: own.length + 1, toolCalls, ...followUp(own) }))
    }
    own.push(lastTurn(task.ending, { taskId, turn: own.length + 1, ...followUp(own) }, () => `t${ids++}`))
    turns.push(...own)
  }
  return turns
}

/** As the loop does it: a turn within a task begins with the results of the one before. */
function followUp(own: readonly JournalTurn[]): Partial<JournalTurn> {
  const before = own.at(-1)
  return before ? { userContent: toolResultsOf(before) } : {}
}

function lastTurn(ending: Ending, base: Partial<JournalTurn>, newId: () => string): JournalTurn {
  switch (ending) {
    case 'answered':
      return aTurn(base)
    case 'streaming':
      return aTurn({ ...base, reply: null, stopReason: null })
    case 'refused':
      return aTurn({ ...base, reply: [], stopReason: 'refusal' })
    case 'calls_open':
      return aTurn({ ...base, toolCalls: [aCall({ toolUseId: newId(), status: 'started', result: null })] })
  }
}
