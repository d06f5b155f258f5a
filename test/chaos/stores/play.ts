/** Plays rows of the matrix on a private instance whose stores are outside of it, and judges what came of it. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApi } from '../api.ts'
import type { Struck } from '../faults.ts'
import { untilSent } from '../leftovers.ts'
import { judge } from '../oracle.ts'
import { createRandom } from '../random.ts'
import { BY_SERVER } from '../recovery.ts'
import { type Binaries, type ChaosStack, startChaosStack } from '../stack.ts'
import { createTracker, type Tracker } from '../tracker.ts'
import { createLedger, type Ledger } from '../user.ts'
import { Viewer } from '../viewer.ts'
import { waitFor } from '../wait.ts'
import { BEGUN, ENDED, notesOf, type Work } from '../work.ts'
import { isAway, losesAnswers, nameOf, type Row, type Store } from './matrix.ts'
import { type OutsideStores, startOutsideStores } from './outside-stores.ts'
import { type Glimpse, watchReadiness } from './readiness-watch.ts'

export interface StoresOptions {
  readonly rows: readonly Row[]
  /** Needed for the rows of the network. */
  readonly isProxied: boolean
  readonly awayMs: number
  readonly home: string
  readonly binaries: Binaries
  readonly say: (line: string) => void
}

export interface RowResult {
  readonly name: string
  /** From the moment in which the store itself worked again; null when nothing was to be seen. */
  readonly readyMs: number | null
  readonly workMs: number | null
  readonly refused: number
  readonly accepted: number
}

export interface StoresReport {
  readonly results: readonly RowResult[]
  readonly fullness: Readonly<Record<Store, string | null>>
  readonly violations: readonly string[]
}

const PROJECTS = 3
const POST_EVERY_MS = 2_000
/** At most about so many posts while a store is away, so that a row comes to rest soon after. */
const MAX_POSTS = 8
const CALL_TIMEOUT_MS = 30_000
/** How long a row may take to come to rest. */
const REST_MS = 90_000
const SETTLE_MS = 20_000

interface Scene {
  readonly options: StoresOptions
  readonly stores: OutsideStores
  readonly stack: ChaosStack
  readonly tracker: Tracker
  readonly ledger: Ledger
  readonly viewers: Viewer[]
  readonly projectIds: readonly string[]
  readonly violations: string[]
  readonly struck: Struck[]
  posts: number
}

/** Leaves nothing running, whatever happens. */
export async function playStores(options: StoresOptions): Promise<StoresReport> {
  const stores = await startOutsideStores(join(options.home, 'stores'), options.binaries, options)
  let stack: ChaosStack | undefined
  const viewers: Viewer[] = []
  try {
    stack = await startChaosStack({
      home: join(options.home, 'stack'),
      binaries: options.binaries,
      settings: stores.settings,
      modelArgs: ['--tps', '2000'],
      onLine: options.say,
    })
    return await play(await openScene(options, { stores, stack, viewers }))
  } finally {
    await Promise.all(viewers.map((viewer) => viewer.stop()))
    await stack?.stop()
    await stores.stop()
  }
}

async function openScene(options: StoresOptions, parts: Pick<Scene, 'stores' | 'stack' | 'viewers'>): Promise<Scene> {
  const api = createApi(parts.stack.url, parts.stack.token)
  const projectIds: string[] = []
  for (let n = 1; n <= PROJECTS; n++) projectIds.push(await api.createProject(`stores ${n}`))
  const tracker = createTracker()
  const ledger = createLedger()
  const scene = { options, ...parts, tracker, ledger, projectIds, violations: [], struck: [], posts: 0 }
  for (const projectId of projectIds) view(scene, projectId)
  return scene
}

async function play(scene: Scene): Promise<StoresReport> {
  const { options, stores, stack, violations } = scene
  const results: RowResult[] = []
  for (const row of options.rows) {
    if (!stores.canPlay(row)) {
      options.say(`${nameOf(row)}: cannot be caused by this user here`)
      continue
    }
    const result = await playRow(scene, row)
    options.say(JSON.stringify(result))
    results.push(result)
  }
  await catchUp(scene)
  await untilSent(stack)
  const verdict = await judge({ ...scene })
  options.say(JSON.stringify(verdict.figures))
  const fullness = {
    postgres: stores.fullnessOf('postgres'),
    redis: stores.fullnessOf('redis'),
    temporal: stores.fullnessOf('temporal'),
  }
  return { results, fullness, violations: [...violations, ...verdict.violations] }
}

async function playRow(scene: Scene, row: Row): Promise<RowResult> {
  const { stack, stores, options, tracker } = scene
  const name = nameOf(row)
  const note = (text: string): void => void scene.violations.push(`${name}: ${text}`)
  const pids = pidsOf(stack)
  await Promise.all(scene.projectIds.map((projectId) => post(scene, projectId)))
  await waitFor(() => tracker.unfinished.length > 0, SETTLE_MS)
  const watch = watchReadiness(stack.url)
  const inFlight = tracker.unfinished.length
  const before = scene.viewers.map((viewer) => ({ viewer, degraded: viewer.degraded }))

  const at = Date.now()
  options.say(`${name} for ${options.awayMs} ms (${inFlight} tasks in flight)`)
  const returns = await Promise.all(row.map((hit) => stores.take(hit)))
  const tries = tryUntil(scene, Date.now() + options.awayMs)
  const cursors = new Map(scene.viewers.map((viewer) => [viewer, viewer.cursor]))
  await sleep(options.awayMs)
  const wasSeen = scene.viewers.some((viewer) => viewer.cursor > (cursors.get(viewer) ?? 0))
  const waiting = await outboxWhile(scene, row)
  await Promise.all(returns.map((giveBack) => giveBack()))
  const endsAt = Date.now()
  scene.struck.push(...row.map(({ store: target }) => struck(target, at, endsAt, inFlight + PROJECTS)))

  const answers = await tries.done
  const readyAt = await watch.greenAfter(endsAt, REST_MS)
  await watch.stop()
  judgeReadiness(watch.glimpses, row, { at, endsAt }, note)
  await judgeAnswers(scene, row, answers, note)
  if (readyAt === null) note(`/readyz did not go back to 200 in ${REST_MS} ms`)
  if (row.every(({ store }) => store === 'temporal') && waiting === 0) note('no outbox entry waited for Temporal')
  if (row.every(({ store }) => store === 'redis')) {
    if (!wasSeen) note('no event reached a viewer while Redis was away')
    const wereTold = before.every(({ viewer, degraded }) => viewer.degraded > degraded)
    if (row.every(isAway) && !wereTold) note('a viewer was not told by stream.degraded')
  }
  await Promise.all(answers.flatMap((one) => (one.status === 202 ? [] : [again(scene, one)])))
  if (!(await waitFor(() => tracker.unfinished.length === 0, REST_MS)))
    note(`these tasks have not ended after ${REST_MS} ms: ${tracker.unfinished.join(' ')}`)
  const now = pidsOf(stack)
  if (JSON.stringify(now) !== JSON.stringify(pids))
    note(`a process of ours ended: before ${JSON.stringify(pids)}, now ${JSON.stringify(now)}`)
  const refused = answers.filter(({ status }) => status === 503).length
  return {
    name,
    readyMs: readyAt === null ? null : Math.max(0, readyAt - endsAt),
    workMs: await firstStepAfter(stack, endsAt),
    refused,
    accepted: answers.filter(({ status }) => status === 202).length,
  }
}

const pidsOf = (stack: ChaosStack) => ({ server: stack.pidOf('server'), worker: stack.pidOf('worker') })

function struck(target: Store, at: number, endsAt: number, inFlight: number): Struck {
  return { at, endsAt, fault: { kind: 'freeze', target, forMs: endsAt - at }, inFlight }
}

function view({ stack, viewers, tracker }: Scene, projectId: string): void {
  const viewer = new Viewer({
    baseUrl: stack.url,
    token: stack.token,
    path: `/api/workspace/${projectId}/events`,
    after: 0,
    random: createRandom(viewers.length),
    leavesAfterMs: null,
    onEvent: (event) => tracker.note(event),
  })
  viewers.push(viewer)
}

/** About three seconds of commands and edits that can be counted. The padding makes it need room wherever it is stored. */
function workNamed(name: string): Work {
  const command = (word: string): string => `echo ${word} >> ${BEGUN}; sleep 0.5; echo ${word} >> ${ENDED}`
  const turns = [
    { tools: [{ name: 'write', input: { file_path: notesOf(name), content: `${name}\nEND\n` } }] },
    ...Array.from({ length: 4 }, (_, index) => {
      const word = `${name}.${index + 1}`
      const edit = { file_path: notesOf(name), old_string: 'END', new_string: `${word}.2\nEND` }
      return {
        text: `Step ${index + 1}.`,
        tools: [
          { name: 'bash', input: { command: command(`${word}.1`) } },
          { name: 'edit', input: edit },
        ],
      }
    }),
    { text: 'All of it is done.' },
  ]
  const padding = randomBytes(15_000).toString('base64')
  return { name, text: `Work ${name} ${padding} script: ${JSON.stringify({ turns })}` }
}

async function post(scene: Scene, projectId: string, work = workNamed(`w${++scene.posts}`)): Promise<void> {
  const { stack, ledger, tracker } = scene
  const api = createApi(stack.url, stack.token)
  const accepted = await api.chat(projectId, { message: work.text, clientMessageId: work.name, delivery: 'queue' })
  ledger.posted.push({ projectId, work, accepted })
  tracker.expect(accepted.taskId)
}

interface Answer {
  readonly projectId: string
  readonly work: Work
  readonly answeredAt: number
  /** 0: no answer at all. */
  readonly status: number
  readonly retryAfter: string | null
  readonly isRetryable: boolean
}

/** Posts messages until then, each once. */
function tryUntil(scene: Scene, until: number): { readonly done: Promise<Answer[]> } {
  const run = async (): Promise<Answer[]> => {
    const answers: Promise<Answer>[] = []
    const everyMs = Math.max(POST_EVERY_MS, scene.options.awayMs / MAX_POSTS)
    for (let n = 0; Date.now() + everyMs / 2 < until; n++) {
      const projectId = scene.projectIds[n % PROJECTS] ?? ''
      answers.push(tryOnce(scene, projectId, workNamed(`w${++scene.posts}`)))
      await sleep(everyMs)
    }
    return await Promise.all(answers)
  }
  return { done: run() }
}

async function tryOnce(scene: Scene, projectId: string, work: Work): Promise<Answer> {
  const { stack, ledger, tracker } = scene
  const common = { projectId, work }
  try {
    const response = await fetch(`${stack.url}/api/workspace/${projectId}/claude/chat`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${stack.token}`,
        'content-type': 'application/json',
        accept: 'application/json',
      },
      body: JSON.stringify({ message: work.text, clientMessageId: work.name, delivery: 'queue' }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const body = (await response.json()) as { taskId: string; error?: { retryable?: boolean } }
    if (response.status === 202) {
      ledger.posted.push({ projectId, work, accepted: body as never })
      tracker.expect(body.taskId)
    }
    return {
      ...common,
      answeredAt: Date.now(),
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      isRetryable: body.error?.retryable === true,
    }
  } catch {
    return { ...common, answeredAt: Date.now(), status: 0, retryAfter: null, isRetryable: false }
  }
}

/** As a careful client does after a refusal: the same message under the same id. */
async function again(scene: Scene, { projectId, work }: Answer): Promise<void> {
  await post(scene, projectId, work)
}

/** While Postgres is there and Temporal is not, what was accepted waits in the outbox. */
async function outboxWhile({ stack }: Scene, row: Row): Promise<number> {
  if (row.some(({ store }) => store === 'postgres')) return 0
  return (await stack.query('SELECT id FROM outbox WHERE done_at IS NULL')).length
}

function judgeReadiness(
  glimpses: readonly Glimpse[],
  row: Row,
  { at, endsAt }: { at: number; endsAt: number },
  note: (text: string) => void,
): void {
  const during = glimpses.filter((glimpse) => glimpse.at >= at && glimpse.at <= endsAt)
  for (const hit of row.filter(isAway)) {
    const wasNamed = during.some(({ status, parts }) => status === 503 && parts[hit.store] === 'down')
    if (!wasNamed) note(`/readyz did not name ${hit.store} in ${during.length} looks: ${JSON.stringify(during.at(-1))}`)
  }
  // On a machine that is short of time a single look may fail by itself.
  const isBlamed = (part: string): boolean =>
    during.filter(({ parts }) => parts[part] === 'down').length > during.length / 2
  const hit = new Set<string>(row.map(({ store }) => store))
  const blamed = ['postgres', 'redis', 'temporal'].filter((part) => !hit.has(part) && isBlamed(part))
  if (blamed.length > 0) note(`/readyz named ${blamed.join(', ')} too`)
}

/** 503 with Retry-After and nothing stored while Postgres is away, else 202. */
async function judgeAnswers(
  { stack }: Scene,
  row: Row,
  answers: readonly Answer[],
  note: (text: string) => void,
): Promise<void> {
  const hitsPostgres = row.find(({ store }) => store === 'postgres')
  if (answers.length === 0) note('no message was posted meanwhile')
  const stored = await stack.query<{ client_message_id: string }>(
    'SELECT client_message_id FROM messages WHERE client_message_id = ANY($1)',
    [answers.map(({ work }) => work.name)],
  )
  const names = new Set(stored.map((one) => one.client_message_id))
  for (const { work, status, retryAfter, isRetryable } of answers) {
    const what = `the message ${work.name} was answered with ${status}`
    if (status === 202 && !names.has(work.name)) note(`${what} and is not stored`)
    if (status === 503 && names.has(work.name) && !row.some(losesAnswers)) note(`${what} and is stored`)
    if (status === 503 && (retryAfter === null || !isRetryable)) note(`${what} without Retry-After`)
    // A call that was held up may be answered well after the fault.
    const mayPass = hitsPostgres === undefined || losesAnswers(hitsPostgres) || !isAway(hitsPostgres)
    const mayFail = hitsPostgres !== undefined && hitsPostgres.fault !== 'slow'
    const isRight = (status === 202 && mayPass) || (status === 503 && mayFail)
    if (!isRight) note(what)
  }
}

/** Milliseconds to the first step of any task; null when there was none. */
async function firstStepAfter(stack: ChaosStack, from: number): Promise<number | null> {
  const [first] = await stack.query<{ at: Date | null }>(
    'SELECT min(created_at) AS at FROM events WHERE NOT (type = ANY($1)) AND created_at >= $2',
    [BY_SERVER, new Date(from)],
  )
  return first?.at == null ? null : first.at.getTime() - from
}

async function catchUp({ stack, viewers, violations }: Scene): Promise<void> {
  const rows = await stack.query<{ id: string; last_seq: number }>('SELECT id, last_seq FROM projects')
  const last = new Map(rows.map((row) => [`/api/workspace/${row.id}/events`, row.last_seq]))
  const areThere = await waitFor(() => viewers.every(({ path, cursor }) => cursor >= (last.get(path) ?? 0)), SETTLE_MS)
  if (!areThere) violations.push('a viewer did not come to the end of its stream')
}
