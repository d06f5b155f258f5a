import { expect, test } from 'vitest'
import type { CommandRow } from '../../../src/db/review/ledger.ts'
import type { ReviewRound } from '../../../src/db/review/reviews.ts'
import { ledgerOf } from '../../../src/review/ledger.ts'

const COMMAND: CommandRow = {
  ...{ toolUseId: 'tu_1', turn: 1, lane: 'coder', command: 'npm test', status: 'finished', isError: false },
  ...{ how: 'exit code: 0', durationMs: 40, startedAt: new Date(0), treeBefore: 'a', treeAfter: 'b' },
}

const ROUND: ReviewRound = {
  ...{ taskId: 'tsk', round: 1, treeHash: 'b', verdict: 'approved', summary: '', restoredTree: null, findings: [] },
  ...{ createdAt: new Date(0), finishedAt: null },
  plan: { checks: [], leftOut: [{ name: 'watch', command: 'vitest --watch', reason: 'it never ends' }] },
  checks: [
    { name: 'test', command: 'npm test', status: 'flaky', exitCode: 0, durationMs: 5, output: 'long' },
    {
      name: 'lint',
      command: 'x',
      status: 'not_run',
      exitCode: 127,
      durationMs: 1,
      output: '',
      reason: 'no such program',
    },
  ],
}

test('the ledger names who ran what on which files, how it ended, and what did not run and why', () => {
  const rows = ledgerOf({
    commands: [
      COMMAND,
      { ...COMMAND, toolUseId: 'tu_2', isError: true, how: 'exit code: 1', treeAfter: null },
      {
        ...COMMAND,
        toolUseId: 'tu_3',
        lane: 'reviewer/1',
        how: 'timed out: ended after its limit of 5 ms.',
        isError: true,
      },
      { ...COMMAND, toolUseId: 'tu_4', status: 'started', how: null, durationMs: null },
      { ...COMMAND, toolUseId: 'tu_5', how: 'The user denied this.', isError: true },
    ],
    rounds: [ROUND],
    baseline: [{ name: 'test', command: 'npm test', failed: true }],
    startTree: 'a',
  })
  const command = { kind: 'command', by: 'coder', command: 'npm test', turn: 1 }
  const check = { kind: 'check', by: 'harness', round: 1, treeBefore: 'b', treeAfter: 'b' }
  expect(rows).toEqual([
    {
      ...{ ...command, id: 'command:tu_1', toolUseId: 'tu_1', status: 'passed', exitCode: 0, durationMs: 40 },
      ...{ treeBefore: 'a', treeAfter: 'b' },
    },
    {
      ...{ ...command, id: 'command:tu_2', toolUseId: 'tu_2', status: 'failed', exitCode: 1, durationMs: 40 },
      treeBefore: 'a',
    },
    {
      ...{ ...command, id: 'command:tu_3', toolUseId: 'tu_3', by: 'reviewer', status: 'timed_out', durationMs: 40 },
      ...{ round: 1, reason: 'timed out: ended after its limit of 5 ms.', treeBefore: 'b', treeAfter: 'b' },
    },
    { ...command, id: 'command:tu_4', toolUseId: 'tu_4', status: 'running', treeBefore: 'a', treeAfter: 'b' },
    {
      ...{ ...command, id: 'command:tu_5', toolUseId: 'tu_5', status: 'not_run', durationMs: 40 },
      ...{ reason: 'The user denied this.', treeBefore: 'a', treeAfter: 'b' },
    },
    {
      ...{ id: 'baseline:test', kind: 'check', by: 'harness', name: 'test', command: 'npm test', status: 'failed' },
      ...{ treeBefore: 'a', treeAfter: 'a' },
    },
    { ...check, id: 'check:1:test', name: 'test', command: 'npm test', status: 'flaky', exitCode: 0, durationMs: 5 },
    {
      ...{ ...check, id: 'check:1:lint', name: 'lint', command: 'x', status: 'not_run', exitCode: 127, durationMs: 1 },
      reason: 'no such program',
    },
    {
      ...{ ...check, id: 'left-out:1:watch', name: 'watch', command: 'vitest --watch', status: 'left_out' },
      reason: 'it never ends',
    },
  ])
})

test('a command that hid a failure in any of its pipes did not pass', () => {
  const ends = [
    'exit code: 0 (that of the last part of the pipe; an earlier part failed: exit codes 1, 0)',
    'exit code: 0 (a pipe within the command hides a failure of an earlier part of it: exit codes 1, 0)',
    'exit code: 0',
  ]
  const commands = ends.map((how, index): CommandRow => ({ ...COMMAND, toolUseId: `tu_${index}`, how }))
  const rows = ledgerOf({ commands, rounds: [], baseline: [], startTree: null })
  expect(rows.map(({ status }) => status)).toEqual(['failed', 'failed', 'passed'])
})
