import { CancelledFailure } from '@temporalio/common'
import { expect, test } from 'vitest'
import type { ExecState, Sandbox } from '../../../src/sandbox/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { execIdFor, killsOnAbort, runExec } from '../../../src/tools/exec.ts'

test('only a person’s cancellation ends a running command', () => {
  const bare = new AbortController()
  bare.abort()
  const reasons = [
    new CancelledFailure('CANCELLED'),
    bare.signal.reason,
    new CancelledFailure('WORKER_SHUTDOWN'),
    new CancelledFailure('TIMED_OUT'),
    new CancelledFailure('NOT_FOUND'),
    new AppError('lease_lost', 'another attempt has the task'),
    'CANCELLED',
    undefined,
  ]
  expect(reasons.map(killsOnAbort)).toEqual([true, true, false, false, false, false, false, false])
})

test('a tool-use id is its exec id unless the sandbox would refuse it', () => {
  expect(execIdFor('tsk_1', 'toolu_01A-b.c')).toBe('tsk_1.toolu_01A-b.c')
  for (const odd of ['call:1', '../x', 'x'.repeat(129)]) expect(execIdFor('tsk_1', odd)).toMatch(/^call-[0-9a-f]{64}$/)
  expect(execIdFor('tsk_1', 'call:1')).not.toBe(execIdFor('tsk_2', 'call:1'))
})

test('a command that prints nothing is still watched: each answered poll is progress', async () => {
  const state = (status: ExecState['status']): ExecState => ({
    ...{ execId: 'x', status, exitCode: status === 'exited' ? 0 : null, signal: null },
    ...{ startedAt: 0, endedAt: null, bytes: 0, droppedBytes: 0 },
  })
  let polls = 0
  const sandbox: Pick<Sandbox, 'start' | 'poll' | 'output' | 'kill'> = {
    start: async () => state('running'),
    poll: async (_id, { cursor }) => ({ state: state(++polls < 5 ? 'running' : 'exited'), chunks: [], cursor }),
    output: async () => ({ head: new Uint8Array(), tail: new Uint8Array(), omittedBytes: 0 }),
    kill: async () => state('killed'),
  }
  let progress = 0
  await runExec(
    sandbox,
    { execId: 'x', taskId: 't', argv: ['sleep', '600'], timeoutMs: 600_000 },
    {
      signal: new AbortController().signal,
      shouldKill: () => false,
      onProgress: () => progress++,
      headBytes: 1,
      tailBytes: 0,
    },
  )
  expect([polls, progress]).toEqual([5, 5])
})
