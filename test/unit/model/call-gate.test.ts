import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CallGate, type Ticket } from '../../../src/model/call-gate.ts'

/** A world of tasks that call a model again and again, on a clock of its own. */
interface World {
  readonly seed: number
  readonly tasks: number
  /** The model is away from here on ... */
  readonly downAt: number
  /** ... to here. */
  readonly upAt: number
  readonly latencyMs: number
  /** What a task waits between its calls, at most. */
  readonly restMs: number
  /** Calls of which one in so many is given up, waiting or in flight; 0 for none. */
  readonly dropOneIn: number
  /** While it is away the model begins its replies and breaks them off. */
  readonly breaksOff: boolean
}

const STEPS = 200_000

function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

interface Call {
  readonly at: number
  readonly isDown: boolean
}

/** Plays the world until every task has had a reply after the model came back; the calls in order. */
function play(world: World): { calls: Call[]; openedAt: number | null; unanswered: number; isIdle: boolean } {
  const random = dice(world.seed)
  let now = 0
  const gate = new CallGate({ now: () => now, random })
  const calls: Call[] = []
  const later: { at: number; run: () => void }[] = []
  const waiting = new Map<Ticket, () => void>()
  const answered = new Set<number>()
  let openedAt: number | null = null
  let wakeAt: number | null = null
  const at = (time: number, run: () => void): void => void later.push({ at: time, run })

  const advance = (): void => {
    const { released, nextMs } = gate.advance()
    wakeAt = nextMs === null ? null : now + nextMs
    for (const ticket of released) {
      const go = waiting.get(ticket)
      waiting.delete(ticket)
      go?.()
    }
  }
  const rest = (task: number): void => {
    if (!answered.has(task)) at(now + 1 + random() * world.restMs, () => enter(task))
  }
  const call = (task: number, ticket: Ticket): void => {
    const isDown = now >= world.downAt && now < world.upAt
    calls.push({ at: now, isDown })
    const isDropped = world.dropOneIn > 0 && Math.floor(random() * world.dropOneIn) === 0
    if (!isDown || world.breaksOff) at(now + world.latencyMs / 2, () => (gate.began(ticket), advance()))
    at(now + world.latencyMs, () => {
      gate.end(ticket, isDropped ? 'dropped' : isDown ? { failed: true } : 'answered')
      if (gate.failures >= 5) openedAt ??= now
      if (!isDown && !isDropped && now > world.upAt) answered.add(task)
      advance()
      rest(task)
    })
  }
  const enter = (task: number): void => {
    const ticket = gate.enter()
    waiting.set(ticket, () => call(task, ticket))
    advance()
    if (!waiting.has(ticket) || world.dropOneIn === 0 || random() > 1 / world.dropOneIn) return
    at(now + random() * 20_000, () => {
      if (!waiting.delete(ticket)) return
      gate.end(ticket, 'dropped')
      advance()
      rest(task)
    })
  }

  for (let task = 0; task < world.tasks; task++) at(random() * world.restMs, () => enter(task))
  for (let step = 0; step < STEPS && answered.size < world.tasks; step++) {
    later.sort((a, b) => b.at - a.at)
    const next = later.at(-1)
    if (wakeAt !== null && (next === undefined || wakeAt <= next.at)) {
      now = Math.max(now, wakeAt)
      advance()
    } else if (next) {
      later.pop()
      now = Math.max(now, next.at)
      next.run()
    } else break
  }
  // Who has been answered comes no more, so this ends; a world that ran out of steps would go on for ever.
  for (let step = 0; step < STEPS && later.length > 0; step++) later.pop()?.run()
  return { calls, openedAt, unanswered: world.tasks - answered.size, isIdle: gate.isIdle }
}

const worlds = (more: { readonly [K in keyof World]?: fc.Arbitrary<World[K]> } = {}) =>
  fc.record<World>({
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    tasks: fc.integer({ min: 1, max: 60 }),
    downAt: fc.integer({ min: 0, max: 5_000 }),
    upAt: fc.integer({ min: 10_000, max: 400_000 }),
    // Shorter ones make more calls before the model goes away than a world has steps.
    latencyMs: fc.integer({ min: 50, max: 5_000 }),
    restMs: fc.integer({ min: 50, max: 3_000 }),
    dropOneIn: fc.constant(0),
    breaksOff: fc.constant(false),
    ...more,
  })

/** The most calls in any window of this length among these times. */
function densest(times: readonly number[], windowMs: number): number {
  let most = 0
  for (let from = 0, to = 0; to < times.length; to++) {
    while ((times[to] ?? 0) - (times[from] ?? 0) > windowMs) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

describe('while the model is away', () => {
  test('once it is open, any minute sees at most nine calls, however many tasks wait', () => {
    fc.assert(
      fc.property(worlds(), (world) => {
        const { calls, openedAt } = play(world)
        if (openedAt === null) return
        const during = calls.filter((call) => call.isDown && call.at > openedAt).map((call) => call.at)
        expect(densest(during, 60_000)).toBeLessThanOrEqual(9)
      }),
      { numRuns: 150 },
    )
  })

  test('a model that begins to answer and breaks off is not let at by all who wait either', () => {
    fc.assert(
      fc.property(worlds({ breaksOff: fc.constant(true) }), (world) => {
        const { calls, openedAt } = play(world)
        if (openedAt === null) return
        const during = calls.filter((call) => call.isDown && call.at > openedAt).map((call) => call.at)
        expect(densest(during, 60_000)).toBeLessThanOrEqual(4 * 9)
      }),
      { numRuns: 150 },
    )
  })
})

test('after the model is back everybody who waits is let through, whoever gave up in between, and the gate closes', () => {
  const anyWorld = worlds({
    dropOneIn: fc.constantFrom(0, 2, 5),
    breaksOff: fc.boolean(),
    upAt: fc.integer({ min: 10_000, max: 100_000 }),
  })
  fc.assert(
    fc.property(anyWorld, (world) => {
      const { unanswered, isIdle } = play(world)
      expect({ unanswered, isIdle }).toEqual({ unanswered: 0, isIdle: true })
    }),
    { numRuns: 200 },
  )
})

describe('a gate', () => {
  const passing = (gate: CallGate, ticket: Ticket) => gate.advance().released.includes(ticket)

  /** A gate that has just opened, and how to move its clock. */
  function opened(): { gate: CallGate; wait: (ms: number) => void } {
    let now = 0
    const gate = new CallGate({ now: () => now, random: () => 0 })
    for (let i = 0; i < 5; i++) {
      const ticket = gate.enter()
      gate.advance()
      gate.end(ticket, { failed: true })
    }
    return { gate, wait: (ms) => void (now += ms) }
  }

  test('lets everything through until five calls in a row have failed', () => {
    const { gate } = opened()
    expect(passing(gate, gate.enter())).toBe(false)
  })

  test('counts failures from the last whole reply, and takes no notice of calls that ended without news', () => {
    const gate = new CallGate({ now: () => 0, random: () => 0 })
    const ends = [...Array(4).fill('failed'), 'answered', ...Array(4).fill('failed'), ...Array(9).fill('dropped')]
    for (const end of ends) {
      const ticket = gate.enter()
      gate.advance()
      gate.end(ticket, end === 'failed' ? { failed: true } : end)
    }
    expect([gate.failures, passing(gate, gate.enter())]).toEqual([4, true])
  })

  test('opens at once for as long as the server asked, and not a moment less', () => {
    let now = 0
    const gate = new CallGate({ now: () => now, random: () => 0 })
    const first = gate.enter()
    gate.advance()
    gate.end(first, { failed: true, waitMs: 20_000 })
    const next = gate.enter()
    expect(gate.advance()).toEqual({ released: [], nextMs: 20_000 })
    now = 20_000
    expect(passing(gate, next)).toBe(true)
  })

  test('lets one trial through at a time, and all when it was answered, a few first', () => {
    const { gate, wait } = opened()
    const tickets = Array.from({ length: 20 }, () => gate.enter())
    wait(1_000)
    expect(gate.advance().released).toEqual([tickets[0]])
    expect(gate.advance()).toEqual({ released: [], nextMs: null })
    gate.began(tickets[0] as Ticket)
    expect(gate.advance().released).toEqual(tickets.slice(1, 4))
    gate.end(tickets[0] as Ticket, 'answered')
    expect(gate.advance().released).toEqual(tickets.slice(4, 9))
  })

  test('whose trial was given up tries the next one, but not at once', () => {
    const { gate, wait } = opened()
    const [first, second] = [gate.enter(), gate.enter()]
    wait(1_000)
    expect(passing(gate, first)).toBe(true)
    gate.end(first, 'dropped')
    expect(gate.advance()).toEqual({ released: [], nextMs: 1_000 })
    wait(1_000)
    expect(passing(gate, second)).toBe(true)
  })

  test('learns nothing from calls that were made before it opened', () => {
    let now = 0
    const gate = new CallGate({ now: () => now, random: () => 0 })
    const tickets = Array.from({ length: 50 }, () => gate.enter())
    gate.advance()
    for (const ticket of tickets.slice(0, 49)) gate.end(ticket, { failed: true })
    gate.end(tickets[49] as Ticket, 'answered')
    gate.enter()
    expect([gate.failures, gate.advance()]).toEqual([5, { released: [], nextMs: 1_000 }])
    now = 1_000
    expect(gate.advance().released).toHaveLength(1)
  })
})
