import { describe, expect, test } from 'vitest'
import { judgeProgress } from '../../../src/agent/stuck.ts'
import type { JournalTurn } from '../../../src/db/turn/turns.ts'
import { aCall, aTurn } from '../../support/turns.ts'

/** Turns that make the same call with the same result. */
function repeated(times: number, call = aCall()): JournalTurn[] {
  return Array.from({ length: times }, (_, index) =>
    aTurn({ turn: index + 1, toolCalls: [{ ...call, toolUseId: `toolu_${index}` }] }),
  )
}

describe('judgeProgress', () => {
  test.each([
    [1, 'fine'],
    [2, 'fine'],
    [3, 'nudge'],
    [4, 'fine'],
    [5, 'stuck'],
    [6, 'stuck'],
  ] as const)('%i equal turns in a row are %s', (times, verdict) => {
    expect(judgeProgress(repeated(times))).toBe(verdict)
  })

  test('another input, another result or another tool is progress', () => {
    const four = repeated(4)
    const others = [aCall({ input: '{"command":"false"}' }), aCall({ result: 'other' }), aCall({ name: 'read' })]
    expect(others.map((call) => judgeProgress([...four, aTurn({ turn: 5, toolCalls: [call] })]))).toEqual([
      'fine',
      'fine',
      'fine',
    ])
  })

  test('results that differ in times alone are the same result', () => {
    const results = [
      'ok 1 (12.5ms)\nduration_ms 40.1',
      'ok 1 (9ms)\nduration_ms 38',
      'ok 1 (11.25ms)\nduration_ms 41.77',
    ]
    const turns = results.map((result, index) => aTurn({ turn: index + 1, toolCalls: [aCall({ result })] }))
    expect(judgeProgress(turns)).toBe('nudge')
  })

  test('a turn in between starts the count anew', () => {
    const turns = [...repeated(4), aTurn({ turn: 5, toolCalls: [aCall({ name: 'read' })] }), ...repeated(2)]
    expect(judgeProgress(turns)).toBe('fine')
  })

  test('a reply without calls is never a repetition', () => {
    expect([judgeProgress([]), judgeProgress(Array.from({ length: 8 }, () => aTurn()))]).toEqual(['fine', 'fine'])
  })

  test('the calls of one reply are judged together, in their order', () => {
    const pair = [aCall({ toolUseId: 'a' }), aCall({ toolUseId: 'b', name: 'read' })]
    const turns = [pair, pair, pair.toReversed(), pair, pair].map((toolCalls, index) =>
      aTurn({ turn: index + 1, toolCalls }),
    )
    expect(judgeProgress(turns)).toBe('fine')
  })
})
