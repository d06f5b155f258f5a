import { describe, expect, test } from 'vitest'
import { startLabel, turnLabel } from '../../../src/activities/checkpoint-label.ts'
import { aCall, aTurn } from '../../support/turns.ts'

const call = (name: string, input: object, id: string) => aCall({ name, input: JSON.stringify(input), toolUseId: id })

describe('labels of checkpoints', () => {
  test('say what a turn did to the files, in a few words', () => {
    const calls = [
      call('read', { file_path: 'seen.ts' }, '1'),
      call('write', { file_path: 'src/a.ts' }, '2'),
      call('bash', { command: 'npm test\nnpm run lint', description: 'Run the tests' }, '3'),
      call('bash', { command: 'npm install left-pad\n' }, '4'),
    ]
    const labels = [calls, calls.slice(3), calls.slice(0, 1), [call('bash', {}, '5')]].map((toolCalls, index) =>
      turnLabel(aTurn({ turn: index + 1, toolCalls })),
    )
    expect(labels).toEqual([
      'turn 1: write src/a.ts, Run the tests and 1 more',
      'turn 2: npm install left-pad',
      'turn 3',
      'turn 4: bash',
    ])
  })

  test('hold neither control characters nor more than a line of what a model or a person wrote', () => {
    const turn = aTurn({ toolCalls: [call('bash', { command: `\u001b[31m${'x'.repeat(100)}\u202e\nmore` }, '1')] })
    expect([turnLabel(turn), startLabel('  Fix it\u0007\nplease'), startLabel(undefined)]).toEqual([
      `turn 1: [31m${'x'.repeat(55)}…`,
      'before: Fix it',
      'before the task',
    ])
  })
})
