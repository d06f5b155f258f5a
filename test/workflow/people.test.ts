import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ResolveApproval } from '../../src/shared/approval.ts'
import { approvals, cancelTask, resolveApproval, taskState, wake } from '../../src/workflows/messages.ts'
import { largestPayload } from '../support/history-facts.ts'
import { aWorkflowWorker, type TaskRun, type WorkflowWorker } from '../support/workflow-worker.ts'
import { aCommand, aQuestion, asking, shapeOf, turns, waiting } from './shapes.ts'

const TIMES = { requestedAt: expect.any(String) as unknown, expiresAt: expect.any(String) as unknown }

let worker: WorkflowWorker
beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

/** How an update was refused: the code and the sentence. */
async function refused(run: TaskRun, decision: Partial<ResolveApproval>): Promise<[string | undefined, string]> {
  const [sent] = await Promise.allSettled([run.handle.executeUpdate('resolveApproval', { args: [decision] })])
  if (sent.status === 'fulfilled') throw new Error('the update was taken')
  const { reason } = sent
  const cause: unknown = reason instanceof WorkflowUpdateFailedError ? reason.cause : reason
  if (!(cause instanceof ApplicationFailure)) throw reason
  return [cause.type ?? undefined, cause.message]
}

test('a task that asks waits, shows what is open, and goes on once after each was decided by an update', async () => {
  const { behaviours, drive } = shapeOf('asked_and_answered')
  const run = await worker.start(behaviours)
  await run.fake.reached('runTurns')
  await waiting(run.handle, 2)
  const { open, decided } = await run.handle.query(approvals)
  expect(decided).toBe(0)
  expect(open).toEqual([
    { ...TIMES, approvalId: 'apr_1', kind: 'question', title: 'Which colour?' },
    { ...TIMES, approvalId: 'apr_2', kind: 'command', title: 'Run npm publish' },
  ])
  await drive?.(run)
  await run.handle.result()
  expect(run.fake.names().filter((name) => name === 'runTurns' || name === 'recordDecision')).toEqual([
    'runTurns',
    'recordDecision',
    'recordDecision',
    'runTurns',
  ])
  const { taskId, projectId } = run.input
  expect(run.fake.of('recordDecision').map(({ input }) => input)).toEqual([
    { taskId, projectId, decision: { approvalId: 'apr_1', decision: 'answer', answer: 'blue' } },
    { taskId, projectId, decision: { approvalId: 'apr_2', decision: 'deny' } },
  ])
  expect(await run.handle.query(approvals)).toEqual({ open: [], decided: 2 })
  expect(largestPayload(await run.handle.fetchHistory())).toBeLessThan(4_096)
})

test('the validator refuses what does not fit, and nothing of it is in the history', async () => {
  const run = await worker.start({
    runTurns: (_, nth) => (nth === 1 ? asking(1, [aQuestion('apr_1'), aCommand('apr_2')]) : turns('idle', 2)),
  })
  await run.fake.reached('runTurns')
  await waiting(run.handle, 2)
  expect(
    [
      await refused(run, { approvalId: 'apr_9', decision: 'approve' }),
      await refused(run, {}),
      await refused(run, { approvalId: 'apr_1', decision: 'answer', answer: 'green' }),
      await refused(run, { approvalId: 'apr_1', decision: 'answer' }),
      await refused(run, { approvalId: 'apr_1', decision: 'approve' }),
      await refused(run, { approvalId: 'apr_2', decision: 'answer', answer: 'yes' }),
      await refused(run, { approvalId: 'apr_2', decision: 'deny', note: 'x'.repeat(1_001) }),
    ].map(([type]) => type),
  ).toEqual([...['not_found', 'not_found', 'bad_request', 'bad_request', 'bad_request', 'bad_request', 'bad_request']])
  expect(run.fake.of('recordDecision')).toEqual([])
  await run.handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_1', decision: 'deny' }] })
  expect((await refused(run, { approvalId: 'apr_1', decision: 'deny' }))[0]).toBe('approval_over')
  await run.handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_2', decision: 'approve' }] })
  await run.handle.result()
  const accepted = (await run.handle.fetchHistory()).events?.filter(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
  )
  expect(accepted?.length).toBe(2)
})

test('a decision that the database refuses fails the update, and the task waits on', async () => {
  const run = await worker.start({
    runTurns: (_, nth) => (nth === 1 ? asking(1, [aQuestion('apr_1')]) : turns('idle', 2)),
    recordDecision: ({ decision: { approvalId } }, nth) => {
      if (nth === 1) throw ApplicationFailure.nonRetryable('This was answered already.', 'approval_over')
      return { approvalId, state: 'denied' }
    },
  })
  await run.fake.reached('runTurns')
  await waiting(run.handle, 1)
  await expect(
    run.handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_1', decision: 'answer', answer: 'red' }] }),
  ).rejects.toThrow('Workflow Update failed')
  expect((await run.handle.query(approvals)).open.length).toBe(1)
  await run.handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_1', decision: 'deny' }] })
  await run.handle.result()
  expect(run.fake.of('runTurns').length).toBe(2)
})

test('time decides: what is past it is told to the database by id, and the task goes on', async () => {
  const run = await worker.start(shapeOf('asked_and_expired').behaviours)
  await run.handle.result()
  expect(run.fake.of('expireApprovals').map(({ input }) => input)).toMatchObject([{ due: ['apr_1'] }])
  expect(run.fake.of('runTurns').length).toBe(2)
  expect(await run.handle.query(approvals)).toEqual({ open: [], decided: 1 })
})

test('a wake has the database looked at, so a decision that is known only there is enough', async () => {
  const run = await worker.start({
    runTurns: (_, nth) => (nth === 1 ? asking(1, [aQuestion('apr_1')]) : turns('idle', 2)),
    expireApprovals: (_, nth) => (nth === 1 ? [aQuestion('apr_1')] : []),
  })
  await run.fake.reached('runTurns')
  await waiting(run.handle, 1)
  await run.handle.signal(wake)
  await run.fake.reached('expireApprovals')
  expect((await run.handle.query(taskState)).phase).toBe('working')
  await run.handle.signal(wake)
  await run.handle.result()
  expect(run.fake.of('expireApprovals').map(({ input }) => input)).toMatchObject([{ due: [] }, { due: [] }])
  expect(run.fake.of('runTurns').length).toBe(2)
})

test('a cancellation ends a task that waits', async () => {
  const run = await worker.start({ runTurns: () => asking(1, [aQuestion('apr_1')]) })
  await run.fake.reached('runTurns')
  await waiting(run.handle, 1)
  await run.handle.signal(cancelTask, { by: 'user' })
  await run.handle.result()
  expect(run.fake.of('finishTask').map(({ input }) => input)).toMatchObject([{ kind: 'cancelled', by: 'user' }])
  expect(await run.handle.query(approvals)).toEqual({ open: [], decided: 0 })
})

test('the count of decisions goes along when the workflow is continued as new', async () => {
  const run = await worker.start(
    { runTurns: (_, nth) => (nth < 3 ? asking(nth, [aCommand(`apr_${nth}`)]) : turns('idle', 3)) },
    { continueAsNewAfterEvents: 5 },
  )
  for (const nth of [1, 2]) {
    await run.fake.reached('runTurns', nth)
    const handle = worker.client.workflow.getHandle(run.handle.workflowId)
    await waiting(handle, 1)
    await handle.executeUpdate(resolveApproval, { args: [{ approvalId: `apr_${nth}`, decision: 'approve' }] })
  }
  await run.handle.result()
  const latest = worker.client.workflow.getHandle(run.handle.workflowId)
  expect(await latest.query(approvals)).toEqual({ open: [], decided: 2 })
})
