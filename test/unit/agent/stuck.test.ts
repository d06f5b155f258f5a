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

  test.each([
    ['node', ['ok 1 (12.5ms)\nduration_ms 40.1', 'ok 1 (9ms)\nduration_ms 38', 'ok 1 (11.25ms)\nduration_ms 41.77']],
    ['node with a warning', ['(node:411) Warning: x', '(node:52) Warning: x', '(node:6) Warning: x']],
    ['pytest', ['1 passed in 0.03s', '1 passed in 1.20s', '1 passed in 0.40s']],
    ['go', ['ok  \tm/pkg\t0.004s', 'ok  \tm/pkg\t0.012s', 'ok  \tm/pkg\t1.1s']],
    [
      'phpunit',
      ['Time: 00:00.012, Memory: 8.00 MB', 'Time: 00:01.4, Memory: 8.00 MB', 'Time: 00:00.2, Memory: 8.00 MB'],
    ],
    [
      'maven',
      [
        'Finished at: 2026-11-28T20:01:02+01:00',
        'Finished at: 2026-11-28T20:01:09+01:00',
        'Finished at: 2026-11-28T20:02:02+01:00',
      ],
    ],
    ['the shell’s time', ['real\t0m0.012s', 'real\t0m1.2s', 'real\t1m10.02s']],
    ['a log', ['2026-11-28 20:01:02,123 INFO x', '2026-11-28 20:01:05,007 INFO x', '2026-11-28 20:01:09,9 INFO x']],
    ['a directory of its own', ['at /tmp/t-Ab1/x.js:3', 'at /tmp/t-Cd2/x.js:3', 'at /tmp/t-Ef3/x.js:3']],
    [
      'minitest',
      [
        'Run options: --seed 411\nFinished in 0.01s, 100.5 runs/s, 301.1 assertions/s.',
        'Run options: --seed 7\nFinished in 0.02s, 51 runs/s, 153 assertions/s.',
        'Run options: --seed 90\nFinished in 0.1s, 9.8 runs/s, 29.4 assertions/s.',
      ],
    ],
    ['rspec', ['Randomized with seed 1', 'Randomized with seed 22', 'Randomized with seed 333']],
    ['an object', ['<A at 0x7f00aa11>', '<A at 0x7f00bb22>', '<A at 0x7f00cc33>']],
  ])('results that differ in times and names of one run alone are the same: %s', (_, results) => {
    const turns = results.map((result, index) => aTurn({ turn: index + 1, toolCalls: [aCall({ result })] }))
    expect(judgeProgress(turns)).toBe('nudge')
  })

  test('counts and sizes that grow are progress', () => {
    const results = [
      '3 passed',
      '4 passed',
      '5 passed',
      '12 MB',
      '13 MB',
      'a.js:10',
      'a.js:11',
      'exit code 1',
      'exit code 2',
    ]
    const turns = results.map((result, index) => aTurn({ turn: index + 1, toolCalls: [aCall({ result })] }))
    expect(turns.map((_, index) => judgeProgress(turns.slice(0, index + 1)))).toEqual(results.map(() => 'fine'))
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
