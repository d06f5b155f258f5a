/**
 * Counts what becomes true, where it becomes true: each process sees the events that it has committed itself, once, since
 * a repeat stores none. Only small, rare events are looked into; of the others the type is enough.
 */

import type { DurablePayloads, DurableType, StoredEvent } from '../events/topics.ts'
import type { SHARED_METRICS } from './catalog.ts'
import type { Instruments } from './instruments.ts'
import { toolLabel } from './labels.ts'

type Shared = Instruments<typeof SHARED_METRICS>

type Look = { readonly [Type in DurableType]?: (payload: DurablePayloads[Type]) => void }

/** What to call with events after their commit. Never throws. */
export function createEventObserver(metrics: Shared): (events: readonly StoredEvent[]) => void {
  const ended = metrics.keelson_tasks_ended_total
  const look: Look = {
    'task.completed': ({ outcome, evidence }) => {
      ended.inc({ outcome })
      if (outcome !== 'no_changes' && evidence) metrics.keelson_tasks_evidence_total.inc({ evidence })
    },
    'task.failed': () => ended.inc({ outcome: 'failed' }),
    'task.cancelled': () => ended.inc({ outcome: 'cancelled' }),
    'task.resumed': () => metrics.keelson_tasks_resumed_total.inc(),
    'turn.finished': ({ role }) => metrics.keelson_turns_total.inc({ role }),
    'model.retrying': ({ code }) => metrics.keelson_model_retries_total.inc({ code }),
    'review.verdict': ({ verdict }) => metrics.keelson_review_verdicts_total.inc({ verdict }),
    'sandbox.ready': ({ provider, reused, durationMs }) => {
      const labels = { provider, reused: String(reused) }
      metrics.keelson_sandbox_starts_total.inc(labels)
      metrics.keelson_sandbox_start_seconds.observe(labels, durationMs / 1_000)
    },
    'sandbox.lost': ({ provider }) => metrics.keelson_sandboxes_lost_total.inc({ provider }),
    'budget.reached': ({ scope, kind }) => metrics.keelson_budgets_reached_total.inc({ scope, kind }),
  }
  return (events) => {
    for (const event of events) {
      metrics.keelson_events_total.inc({ topic: event.topic })
      if (event.type === 'tool.finished') countTool(metrics, event.data)
      const see = look[event.type] as ((payload: unknown) => void) | undefined
      if (see) see(JSON.parse(event.data))
    }
  }
}

const TOOL_NAME = /"toolUseId":"[^"]{1,200}","name":"([^"\\]{1,100})"/
const TOOL_END = /"isError":(true|false),"durationMs":(\d+)\}$/
/** Longer than what stands before a tool's name, and than what stands behind its result. */
const HEAD = 1_000
const TAIL = 80

/** Reads the ends of the frame only: the result between them may be large. */
function countTool(metrics: Shared, data: string): void {
  const tool = toolLabel(TOOL_NAME.exec(data.slice(0, HEAD))?.[1] ?? '')
  const [, isError, durationMs] = TOOL_END.exec(data.slice(-TAIL)) ?? []
  metrics.keelson_tool_calls_total.inc({ tool, status: isError === 'false' ? 'ok' : 'error' })
  if (durationMs !== undefined) metrics.keelson_tool_call_seconds.observe({ tool }, Number(durationMs) / 1_000)
}
