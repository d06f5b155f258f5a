import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { ApplicationFailure } from '@temporalio/activity'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PublishLeave } from '../../src/workflows/activities.ts'
import type { publishChanges } from '../../src/workflows/index.ts'
import { approvals, resolveApproval, wake } from '../../src/workflows/messages.ts'
import type { Behaviours, FakeTask } from '../support/fake-activities.ts'
import { waitFor } from '../support/wait-for.ts'
import { aWorkflowWorker, type WorkflowWorker } from '../support/workflow-worker.ts'
import { HISTORIES, toText } from './record-histories.ts'
import { aLeave, waiting } from './shapes.ts'

let worker: WorkflowWorker
beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

const WAITS: PublishLeave = { taskId: 'tsk_published', waiting: aLeave('apr_1') }
const MAY: PublishLeave = { taskId: 'tsk_published', waiting: null }

async function publication(behaviours: Behaviours) {
  const id = randomBytes(6).toString('hex')
  const input = { publicationId: `pub_${id}`, projectId: `prj_${id}` }
  const fake: FakeTask = worker.addProject(input.projectId, behaviours)
  worker.addTask('tsk_published', fake)
  const handle = await worker.client.workflow.start<typeof publishChanges>('publishChanges', {
    workflowId: `publish/${input.publicationId}`,
    taskQueue: worker.taskQueue,
    args: [input],
    workflowExecutionTimeout: '1m',
  })
  return { handle, fake, input }
}

test('a publication that may begin at once asks nobody', async () => {
  const { handle, fake } = await publication({})
  await handle.result()
  expect(fake.names()).toEqual(['askToPublish', 'buildCommit', 'pushBranch', 'openPullRequest', 'finishPublication'])
})

test('one that must be approved waits, shows it, and is let go by an update to its own workflow alone', async () => {
  const { handle, fake, input } = await publication({ askToPublish: (_, nth) => (nth === 1 ? WAITS : MAY) })
  await waiting(handle, 1)
  const { open } = await handle.query(approvals)
  await handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_1', decision: 'approve' }] })
  await handle.result()
  if (process.env['RECORD_HISTORIES'] === '1') {
    await writeFile(new URL('publication_approved.json', HISTORIES), toText(await handle.fetchHistory()))
  }
  expect({
    open: open.map(({ approvalId, kind }) => [approvalId, kind]),
    recorded: fake.of('recordDecision').map(({ input: given }) => given),
    names: fake.names(),
    decided: await handle.query(approvals),
  }).toEqual({
    open: [['apr_1', 'publish']],
    recorded: [
      {
        taskId: 'tsk_published',
        projectId: input.projectId,
        decision: { approvalId: 'apr_1', decision: 'approve' },
      },
    ],
    names: [
      ...['askToPublish', 'recordDecision', 'askToPublish'],
      ...['buildCommit', 'pushBranch', 'openPullRequest', 'finishPublication'],
    ],
    decided: { open: [], decided: 1 },
  })
})

test('a wake has the database looked at; a denial there ends it before anything was made', async () => {
  const { handle, fake } = await publication({
    askToPublish: (_, nth) => {
      if (nth === 1) return WAITS
      throw ApplicationFailure.nonRetryable('A person denied this publication.', 'publish_denied')
    },
  })
  await waiting(handle, 1)
  await handle.signal(wake)
  await handle.result()
  expect(fake.names()).toEqual(['askToPublish', 'askToPublish', 'finishPublication'])
  expect(fake.of('finishPublication').map(({ input }) => input)).toMatchObject([
    { error: { code: 'publish_denied', message: 'A person denied this publication.' } },
  ])
})

test('a decision that comes while the database is being looked at is not forgotten for what that look had seen', async () => {
  let isDecided = false
  const { handle, fake } = await publication({
    askToPublish: async (_, nth) => {
      // The second look has read what is open, and answers only after the decision.
      if (nth === 2) await waitFor(() => (isDecided ? true : undefined), 'it was decided')
      return nth <= 2 ? WAITS : MAY
    },
  })
  await waiting(handle, 1)
  await handle.signal(wake)
  await fake.reached('askToPublish', 2)
  await handle.executeUpdate(resolveApproval, { args: [{ approvalId: 'apr_1', decision: 'approve' }] })
  isDecided = true
  await handle.result()
  expect(fake.of('askToPublish').length).toBe(3)
})

test('time decides: what is past it by the workflow’s clock is told to the database', async () => {
  const { handle, fake } = await publication({
    askToPublish: ({ isDue }) => {
      if (!isDue) return { ...WAITS, waiting: aLeave('apr_1', 200) }
      throw ApplicationFailure.nonRetryable('Nobody approved this publication in time.', 'publish_denied')
    },
  })
  await handle.result()
  expect(fake.names()).toEqual(['askToPublish', 'askToPublish', 'finishPublication'])
})
