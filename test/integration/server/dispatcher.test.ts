import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createProject } from '../../../src/db/project/projects.ts'
import { acceptMessage } from '../../../src/db/task/accept-message.ts'
import { raiseBudget, requestContext } from '../../../src/db/task/requests.ts'
import { createDispatcher } from '../../../src/server/dispatcher.ts'
import type { Signalled, TaskStarter } from '../../../src/server/temporal.ts'
import { aDatabase, silent, until } from './harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let db: Db
let projectId: string

beforeAll(async () => {
  database = await aDatabase()
  db = createDb({
    url: database.url,
    applicationName: 'dispatcher-test',
    poolSize: 4,
    onEvents: () => undefined,
    onConnectionError: () => undefined,
  })
})
afterAll(async () => {
  await db?.close()
  await database?.drop()
})
beforeEach(async () => {
  projectId = (await createProject(db, { name: 'p', source: { kind: 'empty' }, sandboxProvider: 'local-bwrap' })).id
})

/** Stands where Temporal is: notes what it is told, and refuses while it is away. */
class Told implements TaskStarter {
  readonly calls: string[] = []
  isAway = false
  signals: Signalled = 'told'

  async #note(call: string): Promise<void> {
    await Promise.resolve()
    if (this.isAway) throw new Error('14 UNAVAILABLE')
    this.calls.push(call)
  }
  startTask = (input: { taskId: string }): Promise<void> => this.#note(`start ${input.taskId}`)
  startRefresh = (input: { projectId: string }): Promise<void> => this.#note(`refresh ${input.projectId}`)
  startPublish = (input: { publicationId: string }): Promise<void> => this.#note(`publish ${input.publicationId}`)
  startComparison = (input: { comparisonId: string }): Promise<void> => this.#note(`compare ${input.comparisonId}`)
  wakeComparison = (comparisonId: string): Promise<Signalled> =>
    this.#note(`wake ${comparisonId}`).then(() => this.signals)
  startSetUp = (input: { projectId: string }): Promise<void> => this.#note(`set up ${input.projectId}`)
  wakeTask = (taskId: string): Promise<Signalled> => this.#note(`wake ${taskId}`).then(() => this.signals)
  cancelTask = (taskId: string): Promise<Signalled> => this.#note(`cancel ${taskId}`).then(() => this.signals)
  resolveApproval = ({
    taskId,
    publicationId,
  }: {
    taskId: string
    publicationId?: string | undefined
  }): Promise<Signalled> => this.#note(`resolve ${publicationId ?? taskId}`).then(() => this.signals)
  wakePublication = (publicationId: string): Promise<Signalled> =>
    this.#note(`wake ${publicationId}`).then(() => this.signals)
  regenerateContext = (taskId: string): Promise<Signalled> =>
    this.#note(`regenerate ${taskId}`).then(() => this.signals)
}

const dispatcherFor = (temporal: TaskStarter) =>
  createDispatcher({
    db,
    temporal,
    log: silent,
    inputFor: (taskId) =>
      Promise.resolve({
        taskId,
        projectId,
        maxFixRounds: 2,
        reviewEnabled: true,
        forceRegenerateContext: false,
        budgetWaitHours: 168,
        continueAsNewAfterEvents: 2_000,
      }),
  })

const accept = (text: string) =>
  acceptMessage(db, {
    projectId,
    text,
    delivery: 'steer',
    model: 'claude-haiku-4-5',
    forceRegenerateContext: false,
    budget: {},
    defaultBudget: { maxUsd: 5, maxTurns: 200, maxMinutes: 120 },
    maxFixRounds: 2,
  })

const waiting = async (): Promise<number> => {
  const { rows } = await db.pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM outbox WHERE done_at IS NULL',
  )
  return rows[0]?.count ?? -1
}

describe('the dispatcher', () => {
  test('starts a task, then wakes it, each once, and leaves nothing waiting', async () => {
    const { taskId } = await accept('One')
    await accept('Two')
    await raiseBudget(db, taskId, { maxUsd: 10 })
    await requestContext(db, projectId, 'user')
    const temporal = new Told()
    const dispatcher = dispatcherFor(temporal)
    dispatcher.kick()
    await until(async () => (await waiting()) === 0, 'the outbox is empty')
    await dispatcher.close()
    expect(temporal.calls).toEqual([`start ${taskId}`, `wake ${taskId}`, `wake ${taskId}`, `regenerate ${taskId}`])
  })

  test('tells Temporal by itself once it is back, without another kick', async () => {
    const { taskId } = await accept('One')
    const temporal = new Told()
    temporal.isAway = true
    const dispatcher = dispatcherFor(temporal)
    dispatcher.kick()
    await until(async () => {
      const { rows } = await db.pool.query<{ tries: number }>(
        'SELECT attempts AS tries FROM outbox WHERE done_at IS NULL',
      )
      return (rows[0]?.tries ?? 0) >= 2
    }, 'it was tried twice')
    expect(await waiting()).toBe(1)
    temporal.isAway = false
    await until(async () => (await waiting()) === 0, 'the outbox is empty')
    await dispatcher.close()
    expect(temporal.calls).toEqual([`start ${taskId}`])
  })

  test('a signal for a workflow that has ended is done with', async () => {
    await accept('One')
    await accept('Two')
    const temporal = new Told()
    temporal.signals = 'gone'
    const dispatcher = dispatcherFor(temporal)
    dispatcher.kick()
    await until(async () => (await waiting()) === 0, 'the outbox is empty')
    await dispatcher.close()
    expect(temporal.calls).toHaveLength(2)
  })

  test('without a running task the context is made anew by a workflow of its own', async () => {
    const { taskId } = await requestContext(db, projectId, 'user')
    const temporal = new Told()
    const dispatcher = dispatcherFor(temporal)
    dispatcher.kick()
    await until(async () => (await waiting()) === 0, 'the outbox is empty')
    await dispatcher.close()
    expect({ taskId, calls: temporal.calls }).toEqual({ taskId: null, calls: [`refresh ${projectId}`] })
  })
})
