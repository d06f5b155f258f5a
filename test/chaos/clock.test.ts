import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApi } from './api.ts'
import { testBinaries } from './binaries.ts'
import { untilSent } from './leftovers.ts'
import { judge } from './oracle.ts'
import { sendTo } from './processes.ts'
import { createRandom } from './random.ts'
import { type ChaosStack, startChaosStack } from './stack.ts'
import { createTracker } from './tracker.ts'
import { createLedger } from './user.ts'
import { Viewer } from './viewer.ts'
import { until } from './wait.ts'
import { makeWork } from './work.ts'

const PRELOAD = new URL('./jumping-clock.mjs', import.meta.url).href
/** An hour ahead, two back, and right again. */
const JUMPS = 3
const TASKS_AT_EACH = 2
const LIMIT_MS = 90_000
/** A timer that fires without pause would write far more. */
const MAX_LOG_LINES = 2_000

const home = mkdtempSync(join(tmpdir(), 'keelson-clock-'))
let stack: ChaosStack

beforeAll(async () => {
  stack = await startChaosStack({
    home,
    binaries: testBinaries(),
    settings: { NODE_OPTIONS: `--import ${PRELOAD}` },
  })
})

afterAll(async () => {
  await stack?.stop()
  rmSync(home, { recursive: true, force: true })
})

const logLines = (): number => stack.logs().reduce((sum, { text }) => sum + text.split('\n').length, 0)

test('clocks that jump by hours while tasks run cost nothing: order is by number, and no timer runs wild', async () => {
  const api = createApi(stack.url, stack.token)
  const tracker = createTracker()
  const ledger = createLedger()
  const random = createRandom(7)
  const projectIds = [await api.createProject('clock 1'), await api.createProject('clock 2')]
  const viewers = projectIds.map((projectId) => {
    const path = `/api/workspace/${projectId}/events`
    const common = { baseUrl: stack.url, token: stack.token, random, leavesAfterMs: null, after: 0 }
    return new Viewer({ ...common, path, onEvent: (event) => tracker.note(event) })
  })
  const before = logLines()
  for (let jump = 0; jump < JUMPS; jump++) {
    for (let n = 0; n < TASKS_AT_EACH; n++) {
      const projectId = projectIds[n % projectIds.length] ?? ''
      const work = makeWork(random, `jump-${jump}-${n}`)
      const accepted = await api.chat(projectId, { message: work.text, clientMessageId: work.name })
      ledger.posted.push({ projectId, work, accepted })
      tracker.expect(accepted.taskId)
    }
    const [running] = tracker.unfinished
    if (running !== undefined) await tracker.untilEvent(running, ({ type }) => type === 'tool.started')
    for (const part of ['server', 'worker'] as const) sendTo(stack.pidOf(part) ?? 0, 'SIGALRM')
  }
  await until(() => tracker.unfinished.length === 0, LIMIT_MS, 'all tasks have ended')
  await untilSent(stack)
  const times = await stack.query<{ at: string }>(`SELECT data::json->>'at' AS at FROM events`)
  const spread = Math.max(...times.map(({ at }) => Number(at))) - Math.min(...times.map(({ at }) => Number(at)))
  await Promise.all(viewers.map((viewer) => viewer.stop()))
  const { violations } = await judge({ stack, ledger, projectIds, viewers, struck: [] })
  expect({ violations, didJump: spread > 3_600_000, isQuiet: logLines() - before < MAX_LOG_LINES }).toEqual({
    violations: [],
    didJump: true,
    isQuiet: true,
  })
})
