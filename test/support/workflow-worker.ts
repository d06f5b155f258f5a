/** Real workflow code on a real Temporal server, with fake activities. */

import { randomBytes } from 'node:crypto'
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client'
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { type CodingTaskInput, workflowIdFor } from '../../src/shared/task.ts'
import type { Activities } from '../../src/workflows/activities.ts'
import type { codingTask } from '../../src/workflows/index.ts'
import { type ActivityName, type Behaviours, FakeTask } from './fake-activities.ts'
import { workflowBundle } from './workflow-bundle.ts'

/** What a task's workflow is given by default; `id` is random, and new for each task. */
export function aTaskInput(id: string): CodingTaskInput {
  return {
    taskId: `tsk_${id}`,
    projectId: `prj_${id}`,
    maxFixRounds: 2,
    reviewEnabled: true,
    forceRegenerateContext: false,
    budgetWaitHours: 1,
    continueAsNewAfterEvents: 2_000,
  }
}

const PROJECT = defineSearchAttributeKey('KeelsonProject', SearchAttributeType.KEYWORD)
const IDENTITY = 'keelson-test'

const NAMES: readonly ActivityName[] = [
  'prepareTask',
  'prepareSandbox',
  'setUpProject',
  'prepareProjectContext',
  'runTurns',
  'captureChanges',
  'runChecks',
  'reviewChanges',
  'skipReview',
  'awaitBudget',
  'recordDecision',
  'expireApprovals',
  'finishTask',
  'refreshContext',
  'askToPublish',
  'buildCommit',
  'pushBranch',
  'openPullRequest',
  'finishPublication',
  'forkAlternatives',
  'weighAlternatives',
  'lookAtComparison',
  'applyChoice',
  'recordChoice',
  'endComparison',
  'removeAlternatives',
]

export interface TaskRun {
  readonly handle: WorkflowHandleWithFirstExecutionRunId<typeof codingTask>
  readonly fake: FakeTask
  readonly input: CodingTaskInput
}

export interface WorkflowWorker {
  readonly client: Client
  readonly taskQueue: string
  start(behaviours?: Behaviours, input?: Partial<CodingTaskInput>): Promise<TaskRun>
  /** Every task started so far. */
  readonly runs: readonly TaskRun[]
  /** Fakes by project, for workflows that have no task. */
  addProject(projectId: string, behaviours: Behaviours): FakeTask
  /** Has a fake answer for a task that this worker does not run. */
  addTask(taskId: string, fake: FakeTask): void
  close(): Promise<void>
}

export function temporalAddress(): { readonly address: string; readonly namespace: string } {
  const address = process.env['KEELSON_TEST_TEMPORAL_ADDRESS']
  if (address === undefined) throw new Error('KEELSON_TEST_TEMPORAL_ADDRESS is not set: run the tests with npm test')
  return { address, namespace: process.env['KEELSON_TEST_TEMPORAL_NAMESPACE'] ?? 'default' }
}

/** A worker on a queue of its own; the caller closes it. One a process is enough for any number of tasks. */
export async function aWorkflowWorker(): Promise<WorkflowWorker> {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  })
  const { address, namespace } = temporalAddress()
  const connection = await Connection.connect({ address })
  const native = await NativeConnection.connect({ address })
  const client = new Client({ connection, namespace, identity: IDENTITY })
  const taskQueue = `test-${randomBytes(6).toString('hex')}`
  const fakes = new Map<string, FakeTask>()
  const worker = await Worker.create({
    connection: native,
    namespace,
    identity: IDENTITY,
    taskQueue,
    workflowBundle: await workflowBundle(),
    activities: dispatching(fakes),
    maxHeartbeatThrottleInterval: '50ms',
    defaultHeartbeatThrottleInterval: '50ms',
    shutdownForceTime: '2s',
  })
  const running = worker.run()
  const runs: TaskRun[] = []
  return {
    client,
    taskQueue,
    runs,
    async start(behaviours = {}, overrides = {}) {
      const id = randomBytes(6).toString('hex')
      const input = { ...aTaskInput(id), ...overrides }
      const fake = new FakeTask(behaviours)
      fakes.set(input.taskId, fake)
      const handle = await client.workflow.start<typeof codingTask>('codingTask', {
        workflowId: workflowIdFor(input.taskId),
        taskQueue,
        args: [input],
        typedSearchAttributes: [{ key: PROJECT, value: input.projectId }],
        workflowExecutionTimeout: '2m',
      })
      const run = { handle, fake, input }
      runs.push(run)
      return run
    },
    addProject(projectId, behaviours) {
      const fake = new FakeTask(behaviours)
      fakes.set(projectId, fake)
      return fake
    },
    addTask: (taskId, fake) => void fakes.set(taskId, fake),
    async close() {
      worker.shutdown()
      await running
      await native.close()
      await connection.close()
    },
  }
}

/** Activities that pass each call on to the fake of its task, or of its project. */
export function dispatching(fakes: ReadonlyMap<string, FakeTask>): Activities {
  const call = (name: ActivityName) => async (input: { taskId?: string; projectId: string }) => {
    const fake = fakes.get(input.taskId ?? input.projectId)
    if (!fake) throw new Error(`no fake for ${name}`)
    return await fake.call(name, input as never)
  }
  return Object.fromEntries(NAMES.map((name) => [name, call(name)])) as unknown as Activities
}
