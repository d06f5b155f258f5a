import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Db } from '../../../src/db/client.ts'
import type { OutboxKind } from '../../../src/db/task/outbox.ts'
import { createDispatcher, type Dispatcher } from '../../../src/server/dispatcher.ts'
import type { Signalled, TaskStarter } from '../../../src/server/temporal.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
/** Longer than the longest hold and the longest delay together with a sweep. */
const LONG_ENOUGH_MS = 30_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

interface Row {
  readonly id: string
  readonly kind: OutboxKind
  readonly taskId: string
  nextAt: number
  attempts: number
  isDone: boolean
}

/** The outbox as Postgres keeps it, and Temporal as it takes what it is told; either may be away. */
class World {
  readonly rows: Row[] = []
  readonly told: { readonly id: string; readonly wasDone: boolean }[] = []
  isPostgresAway = false
  isTemporalAway = false

  /** What one server process sees; once `isDead()` nothing that it asks is answered or has an effect. */
  serve(isDead: () => boolean): Dispatcher {
    const after = async <T>(work: () => T): Promise<T> => {
      await Promise.resolve()
      if (isDead()) return await new Promise<never>(() => undefined)
      return work()
    }
    const query = (asked: { name?: string; values: unknown[] }) =>
      after(() => {
        if (this.isPostgresAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
        if (asked.name === undefined) return this.#defer(asked.values)
        return asked.name === 'take_outbox' ? this.#take(asked.values) : this.#finish(asked.values)
      })
    const tell = (id: string): Promise<Signalled> => after(() => this.#tell(id))
    const idOf = (kind: OutboxKind, taskId: string): string => `${kind} ${taskId}`
    const temporal: TaskStarter = {
      startTask: async ({ taskId }) => void (await tell(idOf('start', taskId))),
      startRefresh: async ({ projectId }) => void (await tell(idOf('refresh', projectId))),
      startPublish: async ({ publicationId }) => void (await tell(publicationId)),
      startComparison: async ({ comparisonId }) => void (await tell(comparisonId)),
      wakeComparison: (comparisonId) => tell(idOf('wake', comparisonId)),
      startSetUp: async ({ projectId }) => void (await tell(idOf('set_up', projectId))),
      wakeTask: (taskId) => tell(idOf('wake', taskId)),
      cancelTask: (taskId) => tell(idOf('cancel', taskId)),
      resolveApproval: ({ taskId }) => tell(idOf('resolve', taskId)),
      wakePublication: (publicationId) => tell(idOf('wake', publicationId)),
      regenerateContext: (taskId) => tell(idOf('regenerate', taskId)),
    }
    const inputFor = (taskId: string) => Promise.resolve({ taskId } as Parameters<TaskStarter['startTask']>[0])
    return createDispatcher({ db: { pool: { query } } as unknown as Db, temporal, log: silent, inputFor })
  }

  #tell(id: string): Signalled {
    if (this.isTemporalAway) throw new Error('14 UNAVAILABLE')
    this.told.push({ id, wasDone: this.rows.find((row) => row.id === id)?.isDone ?? false })
    return 'told'
  }

  #take([limit, holdMs]: unknown[]) {
    const isStarted = (row: Row): boolean =>
      row.kind === 'start' ||
      !this.rows.some((other) => other.taskId === row.taskId && other.kind === 'start' && !other.isDone)
    const due = this.rows.filter((row) => !row.isDone && row.nextAt <= Date.now() && isStarted(row))
    const taken = due.slice(0, limit as number)
    for (const row of taken) {
      row.nextAt = Date.now() + (holdMs as number)
      row.attempts++
    }
    return { rows: taken.map((row) => ({ ...row, projectId: 'prj', payload: '{}' })) }
  }

  #finish([id]: unknown[]) {
    for (const row of this.rows) if (row.id === id) row.isDone = true
    return { rows: [] }
  }

  #defer([id, delayMs]: unknown[]) {
    for (const row of this.rows) if (row.id === id) row.nextAt = Date.now() + (delayMs as number)
    return { rows: [] }
  }
}

type Action =
  | { readonly do: 'post'; readonly isKicked: boolean }
  | { readonly do: 'signal'; readonly kind: 'wake' | 'cancel' | 'regenerate' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'crash' | 'postgres' | 'temporal' | 'kick' }

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('post' as const), isKicked: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('signal' as const),
      kind: fc.constantFrom('wake' as const, 'cancel' as const, 'regenerate' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 6_000 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'postgres', 'temporal', 'kick') }) },
)

test('whatever dies or is away, Temporal is told everything that was committed, a task’s start before its signals, and nothing that is done', async () => {
  const property = fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
    const world = new World()
    let isCrashed = { now: false }
    const begin = (): Dispatcher => {
      const own = { now: false }
      isCrashed = own
      return world.serve(() => own.now)
    }
    let dispatcher = begin()
    const put = (kind: OutboxKind, taskId: string): void => {
      if (world.rows.some((row) => row.kind === kind && row.taskId === taskId)) return
      world.rows.push({ id: `${kind} ${taskId}`, kind, taskId, nextAt: Date.now(), attempts: 0, isDone: false })
    }
    for (const [n, step] of actions.entries()) {
      if (step.do === 'post') put('start', `tsk_${n}`)
      if (step.do === 'signal') put(step.kind, world.rows.at(-1)?.taskId ?? 'tsk_none')
      if (step.do === 'kick' || (step.do === 'post' && step.isKicked) || step.do === 'signal') dispatcher.kick()
      if (step.do === 'wait') await vi.advanceTimersByTimeAsync(step.ms)
      if (step.do === 'postgres') world.isPostgresAway = !world.isPostgresAway
      if (step.do === 'temporal') world.isTemporalAway = !world.isTemporalAway
      if (step.do === 'crash') {
        isCrashed.now = true
        dispatcher = begin()
      }
    }
    world.isPostgresAway = false
    world.isTemporalAway = false
    await vi.advanceTimersByTimeAsync(LONG_ENOUGH_MS)
    vi.clearAllTimers()

    const ids = world.told.map(({ id }) => id)
    expect(world.rows.filter((row) => !row.isDone)).toEqual([])
    expect(world.rows.filter((row) => !ids.includes(row.id))).toEqual([])
    expect(world.told.filter(({ wasDone }) => wasDone)).toEqual([])
    for (const { id, taskId, kind } of world.rows) {
      const start = ids.indexOf(`start ${taskId}`)
      if (kind !== 'start' && start !== -1) expect(ids.indexOf(id)).toBeGreaterThan(start)
    }
  })
  await fc.assert(property, { numRuns: 1_000 })
}, 60_000)
