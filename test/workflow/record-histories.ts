/**
 * Records a history of every shape of task into `histories/`, for later versions of the workflow to replay. Run it when
 * the workflow was changed behind `patched()`, after the histories that are there were moved into a folder of their own:
 *
 *   RECORD_HISTORIES=1 npm test -- --project workflow test/workflow/histories.test.ts
 *
 * Those of publications are written by `publish.test.ts` with the same setting.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import type { History } from '../support/history-facts.ts'
import { aWorkflowWorker, type WorkflowWorker } from '../support/workflow-worker.ts'
import { SHAPE_NAMES, shapeOf } from './shapes.ts'

export const HISTORIES = new URL('./histories/', import.meta.url)

/** Where a failure was thrown is of no use to a replay and names the recording machine's files. */
const OF_THE_MACHINE = new Set(['stackTrace'])

/** A history as it is stored: nothing of the machine that recorded it. */
export function toText(history: History): string {
  const json: unknown = JSON.parse(historyToJSON(history))
  const portable = JSON.stringify(json, (key, value: unknown) => (OF_THE_MACHINE.has(key) ? undefined : value), 1)
  return `${portable}\n`
}

/** Writes `<shape>.json`, or `<shape>-1.json`, `-2.json`, … for a task that was continued as new. */
export async function recordHistories(): Promise<void> {
  await mkdir(HISTORIES, { recursive: true })
  const worker = await aWorkflowWorker()
  try {
    for (const name of SHAPE_NAMES) {
      const histories = await play(worker, name)
      for (const [index, history] of histories.entries()) {
        const file = histories.length === 1 ? name : `${name}-${index + 1}`
        await writeFile(new URL(`${file}.json`, HISTORIES), toText(history))
      }
    }
  } finally {
    await worker.close()
  }
}

/** The histories of all runs of one task, in their order. */
async function play(worker: WorkflowWorker, name: (typeof SHAPE_NAMES)[number]): Promise<History[]> {
  const shape = shapeOf(name)
  const run = await worker.start(shape.behaviours, shape.input)
  await shape.drive?.(run)
  await run.handle.result()
  const histories: History[] = []
  let runId: string | undefined = run.handle.firstExecutionRunId
  while (runId !== undefined) {
    const history: History = await worker.client.workflow.getHandle(run.handle.workflowId, runId).fetchHistory()
    histories.push(history)
    const continued = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes
    runId = continued?.newExecutionRunId ?? undefined
  }
  return histories
}
