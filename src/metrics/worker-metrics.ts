import type { StoredEvent } from '../events/topics.ts'
import type { Model } from '../model/types.ts'
import type { Activities } from '../workflows/activities.ts'
import { SHARED_METRICS, WORKER_METRICS } from './catalog.ts'
import { createInstruments, createRegistry, type Instruments } from './instruments.ts'
import { createMeasuredModel } from './measured-model.ts'
import { createEventObserver } from './observe-events.ts'

/**
 * What a worker counts. The two `measure…` give the same thing back with its calls counted and timed; what it throws
 * is passed on.
 */
export interface WorkerMetrics {
  readonly contentType: string
  /** Call it with events after their commit. Never throws. */
  onEvents(events: readonly StoredEvent[]): void
  measureModel(model: Model): Model
  measureActivities(activities: Activities): Activities
  /** All of it in Prometheus' text format. */
  text(publisher: { readonly status: { readonly redis: 'up' | 'down'; readonly failures: number } }): Promise<string>
}

/** The worker's metrics, in a registry of their own. */
export function createWorkerMetrics(): WorkerMetrics {
  const registry = createRegistry()
  const shared = createInstruments(registry, SHARED_METRICS)
  const own = createInstruments(registry, WORKER_METRICS)
  let knownFailures = 0
  return {
    contentType: registry.contentType,
    onEvents: createEventObserver(shared),
    measureModel: (model) => createMeasuredModel(model, own),
    measureActivities: (activities) => measured(activities, own),
    async text({ status: { redis, failures } }) {
      shared.keelson_redis_up.set({ part: 'publisher' }, redis === 'up' ? 1 : 0)
      shared.keelson_publish_failures_total.inc(failures - knownFailures)
      knownFailures = failures
      return await registry.metrics()
    },
  }
}

type AnyActivity = (input: unknown) => Promise<unknown>

function measured(activities: Activities, own: Instruments<typeof WORKER_METRICS>): Activities {
  const entries = Object.entries(activities as unknown as Record<string, AnyActivity>).map(([activity, run]) => {
    const counted: AnyActivity = async (input) => {
      own.keelson_activities_running.inc({ activity })
      try {
        return await run(input)
      } finally {
        own.keelson_activities_running.dec({ activity })
      }
    }
    return [activity, counted]
  })
  return Object.fromEntries(entries) as unknown as Activities
}
