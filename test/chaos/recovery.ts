import type { Struck } from './faults.ts'
import { describeFault } from './plan.ts'
import type { ChaosStack } from './stack.ts'

/** How long the work stood still after faults of one kind. */
export interface Recovery {
  /** `worker SIGKILL`, `redis frozen` … */
  readonly fault: string
  readonly count: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
}

/** What the server alone says is no progress of the work. */
export const BY_SERVER = ['task.accepted', 'task.cancel_requested', 'message.created', 'message.queued']

/**
 * From each fault (a store's freeze: from its end) to progress. After a worker's death that is the moment in which its
 * task was taken over; after any other fault the first step of any task. Faults without work in flight do not count.
 */
export async function recoveriesOf(stack: ChaosStack, struck: readonly Struck[]): Promise<Recovery[]> {
  const rows = await stack.query<{ at: Date; type: string }>(
    'SELECT created_at AS at, type FROM events WHERE NOT (type = ANY($1)) ORDER BY created_at',
    [BY_SERVER],
  )
  const events = rows.map(({ at, type }) => ({ at: at.getTime(), type }))
  const samples = new Map<string, number[]>()
  for (const [index, one] of struck.entries()) {
    if (one.inFlight === 0) continue
    const name = nameOf(one)
    const until = struck[index + 1]?.at ?? Number.POSITIVE_INFINITY
    const own = one.fault.target === 'worker' ? takeovers(events, one.at, until) : firstStep(events, one.endsAt)
    samples.set(name, [...(samples.get(name) ?? []), ...own])
  }
  return [...samples].filter(([, values]) => values.length > 0).map(([fault, values]) => summarise(fault, values))
}

function nameOf({ fault }: Struck): string {
  return fault.kind === 'freeze' ? `${fault.target} frozen` : describeFault(fault)
}

type Step = { readonly at: number; readonly type: string }

/** Later ones than the next fault may be its doing. */
function takeovers(events: readonly Step[], from: number, until: number): number[] {
  return events.filter(({ at, type }) => type === 'task.resumed' && at >= from && at < until).map(({ at }) => at - from)
}

function firstStep(events: readonly Step[], from: number): number[] {
  const next = events.find(({ at }) => at >= from)
  return next === undefined ? [] : [next.at - from]
}

export function summarise(fault: string, values: readonly number[]): Recovery {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { fault, count: sorted.length, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: sorted.at(-1) ?? 0 }
}
