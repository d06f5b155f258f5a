import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { ApplicationFailure } from '@temporalio/activity'
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AlternativeRun, ComparisonLook } from '../../src/shared/comparison.ts'
import type { compareAlternatives } from '../../src/workflows/index.ts'
import { cancelComparison, chooseAlternative, comparison, wake } from '../../src/workflows/messages.ts'
import { type Behaviours, FakeTask, untilCancelled } from '../support/fake-activities.ts'
import { waitFor } from '../support/wait-for.ts'
import { aWorkflowWorker, type WorkflowWorker } from '../support/workflow-worker.ts'
import { HISTORIES, toText } from './record-histories.ts'

let worker: WorkflowWorker
beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

const look = (state: ComparisonLook['state'], chosenIndex: number | null = null): ComparisonLook => {
  return { state, chosenIndex, isCancelRequested: false }
}

interface Comparing {
  readonly handle: WorkflowHandleWithFirstExecutionRunId<typeof compareAlternatives>
  readonly fake: FakeTask
  readonly children: readonly FakeTask[]
}

/** A comparison of two further tries, whose tasks do what `children` say. */
async function aComparison(
  behaviours: Behaviours,
  children: readonly Behaviours[] = [{}, {}],
  leftMs = 60_000,
): Promise<Comparing> {
  const id = randomBytes(6).toString('hex')
  const at = { comparisonId: `cmp_${id}`, projectId: `prj_${id}` }
  const fakes = children.map((child) => new FakeTask(child))
  const runs: AlternativeRun[] = fakes.map((fake, index) => {
    const taskId = `tsk_${id}_${index + 1}`
    worker.addTask(taskId, fake)
    const limits = { budgetWaitHours: 0, continueAsNewAfterEvents: 2_000, maxFixRounds: 2, reviewEnabled: true }
    const input = { taskId, projectId: `${at.projectId}_${index + 1}`, forceRegenerateContext: false, ...limits }
    return { index: index + 1, input }
  })
  const expiresAt = new Date(Date.now() + leftMs).toISOString()
  const fake = worker.addProject(at.projectId, { forkAlternatives: () => ({ runs, expiresAt }), ...behaviours })
  const handle = await worker.client.workflow.start<typeof compareAlternatives>('compareAlternatives', {
    workflowId: `compare/${at.comparisonId}`,
    taskQueue: worker.taskQueue,
    args: [at],
    workflowExecutionTimeout: '1m',
  })
  return { handle, fake, children: fakes }
}

async function record(name: string, { handle }: Comparing): Promise<void> {
  if (process.env['RECORD_HISTORIES'] !== '1') return
  await writeFile(new URL(`${name}.json`, HISTORIES), toText(await handle.fetchHistory()))
}

const endOf = (fake: FakeTask) => fake.of('endComparison').map(({ input }) => (input as { end: object }).end)

test('the tries run as tasks of their own, the evidence chooses, and what was made is removed', async () => {
  const comparing = await aComparison({
    weighAlternatives: () => look('choosing', 2),
    applyChoice: () => look('chosen', 2),
  })
  const { handle, fake, children } = comparing
  await handle.result()
  await record('alternatives_by_evidence', comparing)
  const view = await handle.query(comparison)
  expect({
    names: fake.names(),
    finished: children.map((child) => child.of('finishTask').length),
    view: { ...view, alternatives: view.alternatives.map(({ index, isOver }) => [index, isOver]), expiresAt: null },
  }).toEqual({
    names: ['forkAlternatives', 'weighAlternatives', 'applyChoice', 'removeAlternatives'],
    finished: [1, 1],
    view: {
      state: 'chosen',
      chosenIndex: 2,
      alternatives: [
        [1, true],
        [2, true],
      ],
      expiresAt: null,
    },
  })
})

test('a person chooses by an update to the workflow alone; what is no number is refused without a trace', async () => {
  const comparing = await aComparison({
    lookAtComparison: () => look('choosing', 1),
    applyChoice: () => look('chosen', 1),
  })
  const { handle, fake } = comparing
  await fake.reached('weighAlternatives')
  await waitFor(async () => (await handle.query(comparison)).state === 'waiting', 'it waits')
  const before = (await handle.describe()).historyLength
  await expect(handle.executeUpdate(chooseAlternative, { args: [{ index: -1 }] })).rejects.toThrow(
    'Workflow Update failed',
  )
  const after = (await handle.describe()).historyLength
  const answer = await handle.executeUpdate(chooseAlternative, { args: [{ index: 1 }] })
  await handle.result()
  await record('alternatives_by_person', comparing)
  expect({ traces: after - before, answer, names: fake.names() }).toEqual({
    traces: 0,
    answer: { chosenIndex: 1 },
    names: [
      ...['forkAlternatives', 'weighAlternatives', 'recordChoice', 'lookAtComparison'],
      ...['applyChoice', 'removeAlternatives'],
    ],
  })
})

test('a choice that the database refuses fails the update, and the comparison goes on waiting', async () => {
  const { handle, fake } = await aComparison({
    recordChoice: () => {
      throw ApplicationFailure.nonRetryable('A task of this project is not over.', 'task_running')
    },
  })
  await waitFor(async () => (await handle.query(comparison)).state === 'waiting', 'it waits')
  await expect(handle.executeUpdate(chooseAlternative, { args: [{ index: 1 }] })).rejects.toMatchObject({
    cause: { cause: { type: 'task_running' } },
  })
  await handle.signal(cancelComparison)
  await handle.result()
  expect(endOf(fake)).toEqual([{ state: 'cancelled', reason: 'A person cancelled it.' }])
})

test('a choice that cannot be put into effect is waited for again', async () => {
  const { handle, fake } = await aComparison({
    weighAlternatives: () => look('choosing', 1),
    applyChoice: (_, nth) => (nth === 1 ? look('waiting') : look('chosen', 2)),
    lookAtComparison: () => look('choosing', 2),
  })
  await fake.reached('applyChoice')
  await handle.signal(wake)
  await handle.result()
  expect(fake.of('applyChoice').length).toBe(2)
})

test('a choice while others still run ends those first', async () => {
  const { handle, fake, children } = await aComparison(
    { lookAtComparison: () => look('choosing', 1), weighAlternatives: () => look('choosing', 1) },
    [{}, { runTurns: untilCancelled }],
  )
  await children[1]?.reached('runTurns')
  await handle.signal(wake)
  await handle.result()
  expect({
    second: children[1]?.of('finishTask').map(({ input }) => (input as { kind: string }).kind),
    names: fake.names(),
  }).toEqual({
    second: ['cancelled'],
    names: ['forkAlternatives', 'lookAtComparison', 'weighAlternatives', 'applyChoice', 'removeAlternatives'],
  })
})

test('a cancellation, by signal or natively, ends what runs and removes everything', async () => {
  const running = { runTurns: untilCancelled }
  const bySignal = await aComparison({}, [running, running])
  const natively = await aComparison({}, [running, running])
  for (const { children } of [bySignal, natively]) for (const child of children) await child.reached('runTurns')
  await bySignal.handle.signal(cancelComparison)
  await natively.handle.cancel()
  await Promise.all([bySignal.handle.result(), natively.handle.result()])
  await record('alternatives_cancelled', bySignal)
  const ends = [bySignal, natively].map(({ fake, children }) => ({
    children: children.map((child) => child.of('finishTask').map(({ input }) => (input as { kind: string }).kind)),
    end: endOf(fake),
    removed: fake.of('removeAlternatives').length,
  }))
  expect(ends).toEqual([
    {
      children: [['cancelled'], ['cancelled']],
      end: [{ state: 'cancelled', reason: 'A person cancelled it.' }],
      removed: 1,
    },
    {
      children: [['cancelled'], ['cancelled']],
      end: [{ state: 'cancelled', reason: 'It was cancelled.' }],
      removed: 1,
    },
  ])
})

test('nobody chooses in time: nothing is chosen, also when tries still run then', async () => {
  const waiting = await aComparison({}, [{}], 1_500)
  const stillRunning = await aComparison({}, [{ runTurns: untilCancelled }], 500)
  await Promise.all([waiting.handle.result(), stillRunning.handle.result()])
  expect([waiting, stillRunning].map(({ fake }) => [endOf(fake), fake.of('removeAlternatives').length])).toEqual([
    [[{ state: 'cancelled', reason: 'Nobody chose in time.' }], 1],
    [[{ state: 'cancelled', reason: 'Nobody chose in time.' }], 1],
  ])
})

test('alternatives that cannot be made end it as failed, with the sentence', async () => {
  const { handle, fake } = await aComparison({
    forkAlternatives: () => {
      throw ApplicationFailure.nonRetryable('There is no such project.', 'not_found')
    },
  })
  await handle.result()
  expect([endOf(fake), fake.names().at(-1)]).toEqual([
    [{ state: 'failed', reason: 'There is no such project.' }],
    'removeAlternatives',
  ])
})
