import { Client, Connection } from '@temporalio/client'

const SCHEDULED = 10
const COMPLETED = 12
const TASK_COMPLETED = 7

/**
 * The activities of a finished task, and what orchestration adds to each in milliseconds: the time between the server's
 * scheduling of an activity and the next one's, less the time that the activity itself ran. Means over the tasks.
 */
export async function activityCost(
  at: { address: string; namespace: string },
  workflowIds: readonly string[],
): Promise<{ overheadMs: number; activities: number }> {
  const connection = await Connection.connect({ address: at.address })
  try {
    const client = new Client({ connection, namespace: at.namespace })
    let lostMs = 0
    let activities = 0
    for (const workflowId of workflowIds) {
      const { events } = await client.workflow.getHandle(workflowId).fetchHistory()
      const times = (events ?? []).map((event) => ({ type: Number(event.eventType), at: toMs(event.eventTime) }))
      const first = times.find((event) => event.type === SCHEDULED)
      const last = times.findLast((event) => event.type === TASK_COMPLETED)
      if (!first || !last) continue
      const started = (events ?? []).filter((event) => Number(event.eventType) === 11)
      const completed = times.filter((event) => event.type === COMPLETED)
      const ran = completed.reduce((sum, event, i) => sum + event.at - toMs(started[i]?.eventTime), 0)
      lostMs += last.at - first.at - ran
      activities += completed.length
    }
    return {
      overheadMs: activities === 0 ? Number.NaN : lostMs / activities,
      activities: activities / workflowIds.length,
    }
  } finally {
    await connection.close()
  }
}

function toMs(time: { seconds?: unknown; nanos?: number | null | undefined } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6
}
