import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { weighComparison } from '../../../src/db/task/comparison-moves.ts'
import { aProject, aRunningTask } from '../../support/tasks.ts'
import { aDoneTask, endTask, forkedBy, type Parts, partsOf } from '../restore/support.ts'
import { aDatabase, anOwnRedis, aServer, MODELS, type OwnRedis, type TestServer, TOKEN } from './harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let redis: OwnRedis | undefined
let server: TestServer
let dir: string
let parts: Parts

beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-tries-')))
  database = await aDatabase()
  redis = await anOwnRedis()
  const workspaces = {
    open: (projectId: string) => parts.workspaces.open(projectId),
    openExisting: (projectId: string) => parts.workspaces.openExisting(projectId),
  }
  server = await aServer({ databaseUrl: database.url, redisUrl: redis.url, deps: { workspaces } })
  parts = partsOf(server.db, dir)
})
afterAll(async () => {
  await parts?.close()
  await server?.close()
  await redis?.close()
  await database?.drop()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

interface Item {
  readonly index: number
  readonly projectId: string
  readonly taskId: string
  readonly model: string
  readonly criteria: readonly string[] | null
  readonly status: string
}

interface Comparison {
  readonly id: string
  readonly state: string
  readonly chosenIndex: number | null
  readonly chosenBy: string | null
  readonly items: readonly Item[]
}

async function call<Body>(method: string, path: string, body?: object): Promise<{ status: number; body: Body }> {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) }
  const response = await fetch(`${server.url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  return { status: response.status, body: (await response.json()) as Body }
}

const get = async <Body>(path: string): Promise<Body> => (await call<Body>('GET', path)).body

interface Refused {
  readonly error: { readonly code: string; readonly details?: object }
}

/** Status, code, and the fields that the refusal names. */
async function refusal(method: string, path: string, body?: object): Promise<readonly unknown[]> {
  const { status, body: said } = await call<Refused>(method, path, body)
  return [status, said.error.code, ...Object.keys(said.error.details ?? {})]
}

/** A finished task that wrote `a.txt`. */
async function aTask(): Promise<{ projectId: string; taskId: string }> {
  const projectId = await aProject(server.db, { kind: 'files', files: { 'kept.txt': 'kept\n' } })
  const { taskId } = await aDoneTask({ db: server.db, workspaces: parts.workspaces }, projectId, [{ 'a.txt': 'own\n' }])
  return { projectId, taskId }
}

const triesOf = (taskId: string): string => `/api/tasks/${taskId}/alternatives`

async function begun(taskId: string, wish: object): Promise<Comparison> {
  return (await call<Comparison>('POST', triesOf(taskId), wish)).body
}

/** What a worker does: each try writes `a.txt` and ends, then the results are weighed. */
async function tried(projectId: string, { id: comparisonId, items }: Comparison): Promise<void> {
  await forkedBy(server.db, { comparisonId, projectId })
  for (const { index, ...at } of items.filter((item) => item.index > 0)) {
    await endTask({ db: server.db, workspaces: parts.workspaces }, at, { 'a.txt': `try ${index}\n` })
  }
  await weighComparison(server.db, { comparisonId, projectId })
}

test('a wish that cannot be had is refused by name, and makes nothing', async () => {
  const { projectId, taskId } = await aTask()
  const running = await aRunningTask(server.db)
  const path = triesOf(taskId)
  expect({
    none: await refusal('POST', path, { alternatives: [] }),
    six: await refusal('POST', path, { alternatives: Array.from({ length: 6 }, () => ({})) }),
    model: await refusal('POST', path, { alternatives: [{}, { model: 'gpt' }] }),
    criteria: await refusal('POST', path, { alternatives: [{ criteria: [] }] }),
    blank: await refusal('POST', path, { alternatives: [{ criteria: [' '] }] }),
    chooser: await refusal('POST', path, { alternatives: [{}], choose: 'coin' }),
    misspelt: await refusal('POST', path, { alternatives: [{ modell: 'claude-haiku-5-5' }] }),
    running: await refusal('POST', triesOf(running.taskId), { alternatives: [{}] }),
    unknownTask: await refusal('POST', triesOf('tsk_none'), { alternatives: [{}] }),
    listOfUnknown: await refusal('GET', triesOf('tsk_none')),
    endingOfUnknown: await refusal('GET', '/api/tasks/tsk_none/ending'),
    unknown: await refusal('GET', '/api/comparisons/cmp_none'),
    choose: await refusal('POST', '/api/comparisons/cmp_none/choose', { index: 1 }),
    cancel: await refusal('POST', '/api/comparisons/cmp_none/cancel'),
    diff: await refusal('GET', '/api/comparisons/cmp_none/alternatives/1/diff'),
    made: (await get<{ items: Comparison[] }>(path)).items,
    projects: (await get<{ items: { id: string }[] }>('/api/projects?limit=200')).items.filter(
      ({ id }) => id === projectId,
    ).length,
  }).toEqual({
    none: [400, 'bad_request', 'alternatives'],
    six: [400, 'bad_request', 'alternatives'],
    model: [400, 'bad_request', 'alternatives[1].model'],
    criteria: [400, 'bad_request', 'alternatives[0].criteria'],
    blank: [400, 'bad_request', 'alternatives[0].criteria[0]'],
    chooser: [400, 'bad_request', 'choose'],
    misspelt: [400, 'bad_request', 'alternatives[0].modell'],
    running: [409, 'task_running', 'taskId'],
    unknownTask: [404, 'not_found'],
    listOfUnknown: [404, 'not_found'],
    endingOfUnknown: [404, 'not_found'],
    unknown: [404, 'not_found'],
    choose: [404, 'not_found'],
    cancel: [404, 'not_found'],
    diff: [404, 'not_found'],
    made: [],
    projects: 1,
  })
})

test('the same wish with the same id begins one comparison; it is read alone, in the task’s list and at its end', async () => {
  const { projectId, taskId } = await aTask()
  const wish = {
    alternatives: [{ model: MODELS[1] }, { criteria: ['It is short.'] }],
    choose: 'evidence',
    clientComparisonId: 'once',
  }
  const kicks = server.kicks()
  const [made, again] = await Promise.all([begun(taskId, wish), begun(taskId, wish)])
  const other = await refusal('POST', triesOf(taskId), { ...wish, choose: 'person' })
  const alone = await get<Comparison>(`/api/comparisons/${made.id}`)
  const ending = await get<Record<string, unknown>>(`/api/tasks/${taskId}/ending`)
  const second = await begun(taskId, { alternatives: [{}], include: false })
  const third = await refusal('POST', triesOf(taskId), { alternatives: [{}] })
  expect({
    same: again.id === made.id,
    other,
    kicked: server.kicks() > kicks,
    state: [alone.state, alone.chosenIndex, alone.chosenBy],
    items: alone.items.map(({ index, model, criteria, status }) => [index, model, criteria, status]),
    ending: { ...ending, comparisons: (ending['comparisons'] as Comparison[]).map(({ id }) => id) },
    own: second.items.map(({ index }) => index),
    third,
    listed: (await get<{ items: Comparison[] }>(triesOf(taskId))).items.map(({ id }) => id),
    projects: (await get<{ items: { id: string }[] }>('/api/projects?limit=200')).items.filter(({ id }) =>
      made.items.some((item) => item.projectId === id),
    ),
  }).toEqual({
    same: true,
    other: [409, 'idempotency_mismatch', 'clientComparisonId'],
    kicked: true,
    state: ['running', null, null],
    items: [
      [0, MODELS[0], null, 'completed'],
      [1, MODELS[1], null, 'accepted'],
      [2, MODELS[0], ['It is short.'], 'accepted'],
    ],
    ending: {
      evidence: await get(`/api/tasks/${taskId}/evidence`),
      comparisons: [made.id],
      publication: null,
      isGit: false,
    },
    own: [1],
    third: [409, 'comparison_limit', 'maxOpen'],
    listed: [second.id, made.id],
    projects: [expect.objectContaining({ id: projectId })],
  })
})

test('a result is looked at and chosen once it is there, once; what was decided stays decided', async () => {
  const { projectId, taskId } = await aTask()
  const made = await begun(taskId, { alternatives: [{}, { model: MODELS[1] }] })
  const at = (path: string): string => `/api/comparisons/${made.id}/${path}`
  const diffOf = async (index: number): Promise<string[]> =>
    (await get<{ files: { path: string }[] }>(at(`alternatives/${index}/diff`))).files.map(({ path }) => path)
  const early = {
    choose: await refusal('POST', at('choose'), { index: 1 }),
    diff: await refusal('GET', at('alternatives/1/diff')),
  }
  await tried(projectId, made)
  const waiting = await get<Comparison>(`/api/comparisons/${made.id}`)
  const wrong = [
    await refusal('POST', at('choose'), { index: 7 }),
    await refusal('POST', at('choose'), { index: -1 }),
    await refusal('POST', at('choose'), {}),
    await refusal('GET', at('alternatives/7/diff')),
    await refusal('GET', at('alternatives/first/diff')),
  ]
  const diffs = [await diffOf(0), await diffOf(1), await diffOf(2)]
  const chosen = await call<Comparison>('POST', at('choose'), { index: 2 })
  expect({
    early,
    waiting: [waiting.state, waiting.items.map(({ status }) => status)],
    wrong,
    diffs,
    chosen: [chosen.status, chosen.body.state, chosen.body.chosenIndex, chosen.body.chosenBy],
    again: await refusal('POST', at('choose'), { index: 2 }),
    cancel: await refusal('POST', at('cancel')),
  }).toEqual({
    early: { choose: [400, 'bad_request', 'index'], diff: [404, 'not_found'] },
    waiting: ['waiting', ['completed', 'completed', 'completed']],
    wrong: [
      [400, 'bad_request', 'index'],
      [400, 'bad_request', 'index'],
      [400, 'bad_request', 'index'],
      [404, 'not_found'],
      [404, 'not_found'],
    ],
    diffs: [['a.txt'], ['a.txt'], ['a.txt']],
    chosen: [202, 'choosing', 2, 'person'],
    again: [409, 'already_decided', 'state', 'chosenIndex'],
    cancel: [409, 'already_decided', 'state', 'chosenIndex'],
  })
})

test('a comparison that is to end is chosen from no more; ending it twice is fine', async () => {
  const { projectId, taskId } = await aTask()
  const made = await begun(taskId, { alternatives: [{}] })
  await tried(projectId, made)
  const path = `/api/comparisons/${made.id}`
  expect({
    cancels: [(await call('POST', `${path}/cancel`)).status, (await call('POST', `${path}/cancel`)).status],
    choose: await refusal('POST', `${path}/choose`, { index: 1 }),
    state: (await get<Comparison>(path)).chosenIndex,
  }).toEqual({ cancels: [202, 202], choose: [409, 'already_decided', 'state', 'chosenIndex'], state: null })
})

test('files that moved on since the task are not thrown away by a choice', async () => {
  const { projectId, taskId } = await aTask()
  const made = await begun(taskId, { alternatives: [{}] })
  await tried(projectId, made)
  await aDoneTask({ db: server.db, workspaces: parts.workspaces }, projectId, [{ 'later.txt': 'later\n' }])
  expect(await refusal('POST', `/api/comparisons/${made.id}/choose`, { index: 1 })).toEqual([
    409,
    'files_moved_on',
    'taskId',
  ])
})
