import { ApplicationFailure } from '@temporalio/activity'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cancelTask, regenerateProjectContext } from '../../src/workflows/messages.ts'
import { untilCancelled } from '../support/fake-activities.ts'
import { aWorkflowWorker, type WorkflowWorker } from '../support/workflow-worker.ts'

let worker: WorkflowWorker

beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

/**
 * What happens to an attempt whose worker dies, or whose database is away, after it was told to stop: it fails with
 * something else than a cancellation, and Temporal does not try it again.
 */
async function failWhenCancelled(): Promise<never> {
  await untilCancelled().catch(() => undefined)
  throw ApplicationFailure.create({ type: 'store_unavailable', message: 'The database cannot be reached right now.' })
}

test('a task whose activity fails while it is being cancelled ends cancelled, not failed', async () => {
  const { fake, handle } = await worker.start({ runTurns: failWhenCancelled })
  await fake.reached('runTurns')
  await handle.signal(cancelTask, { by: 'user', reason: 'enough' })
  await handle.result()
  const endings = fake.of('finishTask').map(({ input }) => input)
  expect(endings).toMatchObject([{ kind: 'cancelled', by: 'user', reason: 'enough' }])
})

test('a context whose making fails while it is being restarted is made anew', async () => {
  const { fake, handle } = await worker.start({
    prepareTask: (_, nth) => (nth === 1 ? failWhenCancelled() : { isSetupDue: false }),
  })
  await fake.reached('prepareTask')
  await handle.signal(regenerateProjectContext, { by: 'user' })
  await handle.result()
  expect(fake.of('prepareTask').map(({ input }) => input)).toMatchObject([{ force: false }, { force: true }])
  expect(fake.of('finishTask').map(({ input }) => input)).toMatchObject([{ kind: 'completed', outcome: 'approved' }])
})
