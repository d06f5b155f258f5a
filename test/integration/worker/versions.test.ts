/** Two versions of the workflow code on one task queue of a real Temporal server, as during a release. */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { NO_USAGE, workflowIdFor } from '../../../src/shared/task.ts'
import { FakeTask } from '../../support/fake-activities.ts'
import { waitFor } from '../../support/wait-for.ts'
import { workflowBundle } from '../../support/workflow-bundle.ts'
import { aTaskInput, dispatching, temporalAddress } from '../../support/workflow-worker.ts'
import { changedWorkflow } from './changed-workflow.ts'

const SLICES = 3
const PROGRAM = fileURLToPath(new URL('./workflow-only.ts', import.meta.url))
const { address, namespace } = temporalAddress()
const directory = mkdtempSync(join(tmpdir(), 'keelson-versions-'))

/** What Temporal's SDK says of a step that does not fit the history. */
const REFUSAL = /TMPRL1100|nondeterminis/i

interface VersionedWorker {
  readonly process: ChildProcess
  /** Whether it has refused a step as not deterministic. */
  hasRefused(): boolean
}

let connection: Connection
let native: NativeConnection
let client: Client
/** The code of today, of a later release, and of a later release whose author forgot `patched`. */
let bundles: { readonly today: string; readonly later: string; readonly wrong: string }
let queue: string
let activities: { readonly worker: Worker; readonly running: Promise<void> }
const fakes = new Map<string, FakeTask>()
const children = new Set<VersionedWorker>()

beforeAll(async () => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  })
  connection = await Connection.connect({ address })
  native = await NativeConnection.connect({ address })
  client = new Client({ connection, namespace })
  const bundle = async (name: string, isPatched: boolean): Promise<string> => {
    const path = join(directory, `${name}.js`)
    writeFileSync(path, await changedWorkflow({ isPatched }))
    return path
  }
  bundles = {
    today: (await workflowBundle()).codePath,
    later: await bundle('later', true),
    wrong: await bundle('wrong', false),
  }
})

beforeEach(async () => {
  queue = `test-${randomBytes(6).toString('hex')}`
  const worker = await Worker.create({
    connection: native,
    namespace,
    taskQueue: queue,
    activities: dispatching(fakes),
    shutdownForceTime: '2s',
  })
  activities = { worker, running: worker.run() }
})

afterEach(async () => {
  await Promise.all([...children].map(kill))
  activities.worker.shutdown()
  await activities.running
})

afterAll(async () => {
  await native?.close()
  await connection?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** A worker process with that code; ready when this resolves. */
async function startWorker(codePath: string): Promise<VersionedWorker> {
  const args = ['--import', 'tsx', PROGRAM, address, namespace, queue, codePath]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
  }
  const worker = { process: child, hasRefused: () => REFUSAL.test(log) }
  children.add(worker)
  const [said] = (await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), once(child, 'exit')])) as [
    unknown,
  ]
  if (said !== 'ready\n') throw new Error(`the worker did not start: ${String(said)} ${log}`)
  return worker
}

/** kill -9. */
async function kill(worker: VersionedWorker): Promise<void> {
  const { process: child } = worker
  if (!children.delete(worker) || child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

interface Task {
  readonly id: string
  readonly fake: FakeTask
  /** Lets its next slice of turns end. */
  step(): void
}

/** A task whose slices end only when the test says so. */
async function startTask(): Promise<Task> {
  const id = randomBytes(6).toString('hex')
  const input = aTaskInput(id)
  let allowed = 0
  const fake = new FakeTask({
    async runTurns(_, nth) {
      await waitFor(() => allowed >= nth, `slice ${nth} may end`, 60_000)
      return { status: nth < SLICES ? 'continue' : 'idle', turn: nth, usage: NO_USAGE }
    },
  })
  fakes.set(input.taskId, fake)
  await client.workflow.start('codingTask', {
    workflowId: workflowIdFor(input.taskId),
    taskQueue: queue,
    args: [input],
    workflowExecutionTimeout: '2m',
    // How long a step waits that a killed worker had taken.
    workflowTaskTimeout: '3s',
  })
  return { id: input.taskId, fake, step: () => void allowed++ }
}

const startTasks = (count: number): Promise<Task[]> => Promise.all(Array.from({ length: count }, startTask))

const stepAll = async (tasks: readonly Task[], slice: number): Promise<void> => {
  for (const task of tasks) task.step()
  if (slice < SLICES) await Promise.all(tasks.map(({ fake }) => fake.reached('runTurns', slice + 1)))
}

const handleOf = ({ id }: Task) => client.workflow.getHandle(workflowIdFor(id))

/** How it ended, and how often it looked at its changes. */
async function endOf(task: Task) {
  await handleOf(task).result()
  return { status: (await handleOf(task).describe()).status.name, looks: task.fake.of('captureChanges').length }
}

test('tasks of an old worker go on beside a newer one and after it was killed; tasks of the new one go the new way', async () => {
  const old = await startWorker(bundles.today)
  const before = await startTasks(3)
  await Promise.all(before.map(({ fake }) => fake.reached('runTurns')))
  const later = await startWorker(bundles.later)
  await stepAll(before, 1)
  await kill(old)
  const after = await startTasks(2)
  await Promise.all(after.map(({ fake }) => fake.reached('runTurns')))
  await stepAll(before, 2)
  await stepAll(before, 3)
  for (let slice = 1; slice <= SLICES; slice++) await stepAll(after, slice)

  expect({
    before: await Promise.all(before.map(endOf)),
    after: await Promise.all(after.map(endOf)),
    hasRefused: later.hasRefused(),
  }).toEqual({
    before: before.map(() => ({ status: 'COMPLETED', looks: 1 })),
    after: after.map(() => ({ status: 'COMPLETED', looks: 2 })),
    hasRefused: false,
  })
})

test('tasks begun while both poll all end, also when the workers are killed and started in turn', async () => {
  const old = await startWorker(bundles.today)
  const first = await startWorker(bundles.later)
  const tasks = await startTasks(4)
  for (const task of tasks) for (let slice = 1; slice <= SLICES; slice++) task.step()
  await waitFor(() => tasks.some(({ fake }) => fake.of('runTurns').length > 0), 'a task works')
  await kill(first)
  // A step that the old worker cannot replay is given out again until a newer one takes it.
  await startWorker(bundles.later)
  await kill(old)
  const ends = await Promise.all(tasks.map(endOf))
  expect(ends.map(({ status }) => status)).toEqual(tasks.map(() => 'COMPLETED'))
})

test('the same change without patched is refused, fails no task, and the old worker ends them', async () => {
  const old = await startWorker(bundles.today)
  const tasks = await startTasks(2)
  await Promise.all(tasks.map(({ fake }) => fake.reached('runTurns')))
  await kill(old)
  const wrong = await startWorker(bundles.wrong)
  for (const task of tasks) for (let slice = 1; slice <= SLICES; slice++) task.step()
  await waitFor(() => wrong.hasRefused(), 'a step is refused', 30_000)
  const statuses = await Promise.all(tasks.map(async (task) => (await handleOf(task).describe()).status.name))
  await kill(wrong)
  await startWorker(bundles.today)
  const ends = await Promise.all(tasks.map(endOf))
  expect({ statuses, ends: ends.map(({ status, looks }) => [status, looks]) }).toEqual({
    statuses: ['RUNNING', 'RUNNING'],
    ends: [
      ['COMPLETED', 1],
      ['COMPLETED', 1],
    ],
  })
})
