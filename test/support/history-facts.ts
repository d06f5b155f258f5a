import type { WorkflowHandle } from '@temporalio/client'

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>

interface Payload {
  readonly data: Uint8Array
  readonly metadata: unknown
}

function isPayload(value: object): value is Payload {
  return 'data' in value && value.data instanceof Uint8Array && 'metadata' in value
}

function payloadsIn(value: unknown, found: Payload[] = []): Payload[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return found
  if (isPayload(value)) found.push(value)
  else for (const part of Object.values(value)) payloadsIn(part, found)
  return found
}

/** The size of the largest payload of a history, in bytes: inputs, results, signals, memos, failures. */
export function largestPayload(history: History): number {
  return Math.max(0, ...payloadsIn(history.events).map((payload) => payload.data.length))
}

/** What the Web UI shows for each activity of a history: its type and its summary. */
export function summariesOf(history: History): { readonly activity: string; readonly summary: string | null }[] {
  return (history.events ?? []).flatMap((event) => {
    const scheduled = event.activityTaskScheduledEventAttributes
    if (!scheduled) return []
    const data = event.userMetadata?.summary?.data
    const summary = data ? (JSON.parse(Buffer.from(data).toString('utf8')) as string) : null
    return [{ activity: scheduled.activityType?.name ?? '', summary }]
  })
}
