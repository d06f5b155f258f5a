import { setTimeout as sleep } from 'node:timers/promises'
import { createApi } from './api.ts'
import { createStriker, type Struck } from './faults.ts'
import { untilSent } from './leftovers.ts'
import { judge, type Verdict } from './oracle.ts'
import { describeFault, planFaults } from './plan.ts'
import { measure, type Size } from './processes.ts'
import { createRandom, type Random } from './random.ts'
import { type Recovery, recoveriesOf } from './recovery.ts'
import { type Binaries, type ChaosStack, startChaosStack } from './stack.ts'
import { createTracker, type Tracker } from './tracker.ts'
import { createLedger, type Ledger, playUser } from './user.ts'
import { Viewer } from './viewer.ts'
import { waitFor } from './wait.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly kills: number
  /** At least so many tasks; users go on while faults strike. */
  readonly tasks: number
  readonly projects: number
  /** Workers beside the supervisor's own. */
  readonly extraWorkers: number
  readonly pace: { readonly minMs: number; readonly maxMs: number }
  /** How long all work may take to end after the last fault. */
  readonly quietMs: number
  readonly home: string
  readonly binaries: Binaries
  readonly say: (line: string) => void
}

export interface ChaosReport extends Verdict {
  readonly seed: number
  readonly struck: readonly Struck[]
  readonly recoveries: readonly Recovery[]
  readonly counts: Ledger['counts']
  readonly viewers: { count: number; connects: number; wholeParts: number; begunParts: number; holes: number }
  readonly sizes: { readonly before: Sizes; readonly after: Sizes }
  readonly durationMs: number
  readonly quietMs: number
}

type Sizes = Readonly<Record<'server' | 'worker', Size | null>>

const WARM_UP_MS = 60_000
const CATCH_UP_MS = 20_000
/** The supervisor's longest pause before a start, and the start. */
const RESTART_MS = 30_000

/** Plays one seed from a fresh instance to the verdict. Leaves nothing running, whatever happens. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const startedAt = Date.now()
  const { say, seed } = options
  say(`seed ${seed}: ${options.kills} faults, at least ${options.tasks} tasks in ${options.projects} projects`)
  const stack = await startChaosStack({
    home: options.home,
    binaries: options.binaries,
    modelArgs: ['--tps', '400', '--ttft-ms', '20', '--jitter', '0.5'],
    onLine: say,
  })
  const scene = await openScene(options, stack)
  try {
    const report = await play(options, scene)
    return { ...report, durationMs: Date.now() - startedAt }
  } finally {
    scene.isEnding = true
    scene.striker.settle()
    await Promise.all(scene.viewers.map((viewer) => viewer.stop()))
    await stack.stop()
  }
}

interface Scene {
  readonly stack: ChaosStack
  readonly random: Random
  readonly tracker: Tracker
  readonly ledger: Ledger
  readonly viewers: Viewer[]
  readonly projectIds: readonly string[]
  readonly striker: ReturnType<typeof createStriker>
  isEnding: boolean
}

async function openScene(options: ChaosOptions, stack: ChaosStack): Promise<Scene> {
  const random = createRandom(options.seed)
  const tracker = createTracker()
  const api = createApi(stack.url, stack.token)
  for (let n = 2; n < options.extraWorkers + 2; n++) await stack.addWorker(`worker-${n}`)
  const projectIds: string[] = []
  for (let n = 1; n <= options.projects; n++) projectIds.push(await api.createProject(`chaos ${n}`))
  const striker = createStriker(stack, () => tracker.unfinished.length)
  const scene = { stack, random, tracker, ledger: createLedger(), viewers: [], projectIds, striker, isEnding: false }
  for (const projectId of projectIds) addProjectViewers(scene, projectId)
  return scene
}

/** One that stays, one that comes and goes, one that comes and goes seldom. */
function addProjectViewers(scene: Scene, projectId: string): void {
  const path = eventsOf(projectId)
  const leaves = [null, { min: 200, max: 5_000 }, { min: 2_000, max: 20_000 }]
  for (const [index, leavesAfterMs] of leaves.entries()) {
    addViewer(scene, { path, label: `${projectId} ${index}`, leavesAfterMs })
  }
}

/** Two that come when all is over: one reads everything, one from somewhere on. */
function addLateViewers(scene: Scene, random: Random): void {
  for (const projectId of scene.projectIds) {
    const path = eventsOf(projectId)
    const known = scene.viewers.find((viewer) => viewer.path === path)?.cursor ?? 0
    for (const after of [0, random.whole(0, known)]) {
      addViewer(scene, { path, label: `${projectId} from ${after}`, leavesAfterMs: null, after })
    }
  }
}

const eventsOf = (projectId: string): string => `/api/workspace/${projectId}/events`

interface Look {
  readonly path: string
  readonly label: string
  readonly leavesAfterMs: { readonly min: number; readonly max: number } | null
  readonly after?: number
}

function addViewer({ stack, random, tracker, viewers }: Scene, look: Look): void {
  const viewer = new Viewer({
    baseUrl: stack.url,
    token: stack.token,
    path: look.path,
    after: look.after ?? 0,
    random: random.fork(`viewer ${look.label}`),
    leavesAfterMs: look.leavesAfterMs,
    onEvent: (event) => tracker.note(event),
  })
  viewers.push(viewer)
}

async function play(options: ChaosOptions, scene: Scene): Promise<Omit<ChaosReport, 'durationMs'>> {
  const { stack, tracker, random, ledger } = scene
  let isStriking = true
  const perProject = Math.ceil(options.tasks / options.projects)
  const api = createApi(stack.url, stack.token)
  const failures: string[] = []
  const users = scene.projectIds.map((projectId, index) => {
    const own = random.fork(`user ${index}`)
    return playUser({
      ...{ api, projectId, tracker, ledger },
      name: `s${options.seed}-p${index}`,
      random: own,
      onTask(taskId) {
        const path = `/api/tasks/${taskId}/events`
        if (own.chance(0.3)) addViewer(scene, { path, label: taskId, leavesAfterMs: { min: 100, max: 4_000 } })
      },
      goesOn: (rounds) => !scene.isEnding && (isStriking || rounds < perProject),
    }).catch((error: unknown) => void failures.push(`user ${index}: ${String(error)}`))
  })
  await waitFor(() => tracker.finishedCount >= options.projects, WARM_UP_MS)
  const before = sizesOf(stack)
  const played = await strikeAll(options, scene)
  isStriking = false
  const quietFrom = Date.now()
  options.say(`quiet: ${tracker.unfinished.length} tasks are under way`)
  const finished = await Promise.race([
    Promise.all(users).then(() => true),
    sleep(options.quietMs, false, { ref: false }),
  ])
  const quietMs = Date.now() - quietFrom
  if (!finished)
    failures.push(`after ${options.quietMs} ms of quiet these have not ended: ${tracker.unfinished.join(' ')}`)
  addLateViewers(scene, random.fork('late viewers'))
  await catchUp(scene)
  await untilSent(stack)
  await waitFor(() => Object.values(sizesOf(stack)).every((size) => size !== null), RESTART_MS)
  const sizes = { before, after: sizesOf(stack) }
  const struck = await countInFlight(stack, played)
  const verdict = await judge({ ...scene, struck })
  return {
    seed: options.seed,
    struck,
    quietMs,
    counts: ledger.counts,
    figures: verdict.figures,
    violations: [...failures, ...verdict.violations, ...judgeSizes(sizes)],
    recoveries: await recoveriesOf(stack, struck),
    viewers: viewerFigures(scene.viewers),
    sizes,
  }
}

async function strikeAll(options: ChaosOptions, { random, striker }: Scene): Promise<Struck[]> {
  const struck: Struck[] = []
  const steps = planFaults(random.fork('faults'), options.pace)
  const limit = options.kills * 3
  for (let tried = 0; struck.length < options.kills && tried < limit; tried++) {
    const step = steps.next().value
    await sleep(step.afterMs)
    const done = await striker.play(step)
    if (done === null) continue
    struck.push(done)
    options.say(`fault ${struck.length}: ${describeFault(step.fault)} (${done.inFlight} tasks in flight)`)
  }
  return struck
}

/** How many tasks were really under way at each fault: viewers hear of an end only when they can be reached. */
async function countInFlight(stack: ChaosStack, struck: readonly Struck[]): Promise<Struck[]> {
  const tasks = await stack.query<{ created_at: Date; finished_at: Date | null }>(
    'SELECT created_at, finished_at FROM tasks',
  )
  const spans = tasks.map((task) => [
    task.created_at.getTime(),
    task.finished_at?.getTime() ?? Number.POSITIVE_INFINITY,
  ])
  return struck.map((one) => {
    const inFlight = spans.filter(([from = 0, to = 0]) => from <= one.at && one.at < to).length
    return { ...one, inFlight }
  })
}

/** Viewers may still be on their way to what Postgres has. */
async function catchUp({ stack, viewers }: Scene): Promise<void> {
  const rows = await stack.query<{ id: string; last_seq: number }>('SELECT id, last_seq FROM projects')
  const last = new Map(rows.map((row) => [row.id, row.last_seq]))
  const isThere = (viewer: Viewer): boolean => {
    const [, , kind, id] = viewer.path.split('/')
    return kind === 'tasks' ? viewer.isComplete : viewer.cursor >= (last.get(id ?? '') ?? 0)
  }
  await waitFor(() => viewers.every(isThere), CATCH_UP_MS)
}

function sizesOf(stack: ChaosStack): Sizes {
  const of = (part: 'server' | 'worker'): Size | null => {
    const pid = stack.pidOf(part)
    return pid === undefined ? null : measure(pid)
  }
  return { server: of('server'), worker: of('worker') }
}

const RSS_GROWTH_MIB = 150
const HANDLE_GROWTH = 60

/** Memory and handles are back where they were after the first tasks; the allowance is for caches that fill. */
function judgeSizes({ before, after }: ChaosReport['sizes']): string[] {
  return (['server', 'worker'] as const).flatMap((part) => {
    const [was, is] = [before[part], after[part]]
    if (was === null || is === null) return [`the ${part} could not be measured`]
    const isRight = is.rssMiB <= was.rssMiB + RSS_GROWTH_MIB && is.handles <= was.handles + HANDLE_GROWTH
    return isRight ? [] : [`the ${part} grew from ${JSON.stringify(was)} to ${JSON.stringify(is)}`]
  })
}

function viewerFigures(viewers: readonly Viewer[]): ChaosReport['viewers'] {
  const sum = (of: (viewer: Viewer) => number): number => viewers.reduce((total, viewer) => total + of(viewer), 0)
  return {
    count: viewers.length,
    connects: sum((viewer) => viewer.connects),
    wholeParts: sum((viewer) => viewer.fold.figures.whole),
    begunParts: sum((viewer) => viewer.fold.figures.begun),
    holes: sum((viewer) => viewer.fold.figures.holes),
  }
}
