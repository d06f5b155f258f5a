import { describe, expect, test } from 'vitest'
import { validateHistory } from '../../../src/agent/history.ts'
import { blocksToDrop, placesIn, withoutDropped } from '../../../src/agent/repair.ts'
import type { HistoryMessage } from '../../../src/model/types.ts'

const call = (id: string) => ({ type: 'tool_use', id, name: 'bash', input: { command: id } }) as const
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: `of ${id}` }) as const
const text = (words: string) => ({ type: 'text', text: words }) as const
const thinking = { type: 'thinking', thinking: 'hm', signature: 's' } as const

const history: HistoryMessage[] = [
  { role: 'user', content: [text('first')] },
  { role: 'assistant', content: [thinking, text('I run'), call('toolu_one1'), call('toolu_two2')] },
  { role: 'user', content: [result('toolu_one1'), result('toolu_two2')] },
  { role: 'assistant', content: [text('done')] },
  { role: 'user', content: [text('second')] },
]

describe('places that a refusal names', () => {
  test.each<[sentence: string, places: object[]]>([
    ['messages.1.content.2: bad input', [{ message: 1, block: 2 }]],
    ['messages[1].content[2].input is odd', [{ message: 1, block: 2 }]],
    ["body['messages'][1]: odd", []],
    ['messages.3: odd', [{ message: 3, block: null }]],
    ['tool call toolu_two2 is odd', [{ message: 1, block: 3 }]],
    ['messages.9: there is none', []],
    ['messages: at least one is required', []],
  ])('%s', (sentence, places) => {
    expect(placesIn(sentence, history)).toEqual(places)
  })
})

describe('a repaired history', () => {
  const repaired = (sentence: string) =>
    withoutDropped(history, new Set(blocksToDrop(history, placesIn(sentence, history))))

  test('has no call that was named, nor its result, nor any thinking', () => {
    const told = repaired('messages.1.content.2: bad')
    expect(told[1]?.content).toEqual([text('I run'), call('toolu_two2')])
    expect(told[2]?.content).toEqual([result('toolu_two2')])
  })

  test('has a mark in place of a result and of earlier words', () => {
    const mark = '(left out: the model’s server does not take this)'
    expect(repaired('messages.2.content.0: bad')[2]?.content[0]).toEqual({ ...result('toolu_one1'), content: mark })
    expect(repaired('messages.0: bad')[0]?.content).toEqual([text(mark)])
  })

  test('ends with a message to answer, also when the newest results were all that it held', () => {
    const open = history.slice(0, 3)
    const told = withoutDropped(open, new Set(blocksToDrop(open, placesIn('messages.1', open))))
    expect([validateHistory(told), told.at(-1)?.role]).toEqual([null, 'user'])
  })

  test('never loses the newest words', () => {
    expect(blocksToDrop(history, placesIn('messages.4.content.0: bad', history))).toEqual([])
  })

  test('is valid, whatever was named', () => {
    for (const [index, { content }] of history.entries()) {
      for (const named of ['', ...content.keys()]) {
        const told = repaired(`messages.${index}${named === '' ? '' : `.content.${named}`}: bad`)
        expect([validateHistory(told), told.at(-1)?.role]).toEqual([null, 'user'])
      }
    }
  })
})
