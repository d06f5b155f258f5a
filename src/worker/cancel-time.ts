import { cancelTask } from '../workflows/messages.ts'

const PAGE = 200
/** Histories are continued as new long before they are longer than this many pages. */
const MAX_PAGES = 20

/** One run of a workflow, as Temporal names it. */
export interface RunRef {
  readonly workflowId: string
  readonly runId: string
}

interface HistoryEvent {
  /** `seconds` is a 64-bit integer of a class of its own. */
  readonly eventTime?: { readonly seconds?: unknown; readonly nanos?: number | null } | null
  readonly workflowExecutionCancelRequestedEventAttributes?: object | null
  readonly workflowExecutionSignaledEventAttributes?: { readonly signalName?: string | null } | null
}

/** The narrow part of Temporal's service that is used here. */
export interface HistoryService {
  getWorkflowExecutionHistoryReverse(request: {
    namespace: string
    execution: RunRef
    maximumPageSize: number
    nextPageToken: Uint8Array
  }): Promise<{
    readonly history?: { readonly events?: readonly HistoryEvent[] | null } | null
    readonly nextPageToken?: Uint8Array | null
  }>
}

/**
 * When a run was first asked to end, by native cancellation or by the signal; null when it was not. The workflow itself
 * cannot tell: it learns of it when a worker next takes it up, which may be minutes later. Throws when Temporal is away.
 */
export async function readCancelTime(service: HistoryService, namespace: string, run: RunRef): Promise<Date | null> {
  let first: number | null = null
  let nextPageToken: Uint8Array = new Uint8Array()
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await service.getWorkflowExecutionHistoryReverse({
      namespace,
      execution: run,
      maximumPageSize: PAGE,
      nextPageToken,
    })
    for (const event of answer.history?.events ?? []) {
      if (isCancel(event)) first = timeOf(event) ?? first
    }
    nextPageToken = answer.nextPageToken ?? new Uint8Array()
    if (nextPageToken.length === 0) break
  }
  return first === null ? null : new Date(first)
}

function isCancel(event: HistoryEvent): boolean {
  if (event.workflowExecutionCancelRequestedEventAttributes) return true
  return event.workflowExecutionSignaledEventAttributes?.signalName === cancelTask.name
}

function timeOf({ eventTime }: HistoryEvent): number | null {
  if (!eventTime) return null
  return Number(eventTime.seconds ?? 0) * 1_000 + Math.floor((eventTime.nanos ?? 0) / 1_000_000)
}
