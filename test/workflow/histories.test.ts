import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { beforeAll, describe, expect, test } from 'vitest'
import { workflowBundle } from '../support/workflow-bundle.ts'
import { HISTORIES, recordHistories } from './record-histories.ts'
import { SHAPE_NAMES } from './shapes.ts'

interface JsonHistory {
  readonly events: {
    eventType: string
    activityTaskScheduledEventAttributes?: { activityType: { name: string } }
  }[]
}

const isRecording = process.env['RECORD_HISTORIES'] === '1'
if (isRecording) await recordHistories()
const files = (await readdir(HISTORIES, { recursive: true })).filter((name) => name.endsWith('.json')).sort()

let bundle: { readonly codePath: string }
beforeAll(async () => {
  if (!isRecording) {
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
    })
  }
  bundle = await workflowBundle()
})

async function read(file: string): Promise<JsonHistory> {
  return JSON.parse(await readFile(new URL(file, HISTORIES), 'utf8')) as JsonHistory
}

async function replay(history: JsonHistory): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: bundle }, history, 'coding-task/tsk_replayed')
}

describe('the workflow code of today replays what an earlier one recorded', () => {
  test.each(files)('%s', async (file) => {
    await replay(await read(file))
  })

  test('there is a history of every shape', () => {
    const recorded = new Set(files.map((file) => basename(file).replace(/(-\d+)?\.json$/, '')))
    expect(SHAPE_NAMES.filter((name) => !recorded.has(name))).toEqual([])
  })

  test('a task that was continued as new has one of each run', () => {
    expect(files.filter((file) => basename(file).startsWith('continued_as_new')).length).toBeGreaterThan(1)
  })

  test('none of them tells anything of the machine that recorded it', async () => {
    const telling: string[] = []
    for (const file of files) {
      const text = await readFile(new URL(file, HISTORIES), 'utf8')
      if (/"stackTrace"|\/(home|root|tmp|work|Users)\/|node_modules/.test(text)) telling.push(file)
    }
    expect(telling).toEqual([])
  })
})

describe('a replay notices', () => {
  test('another activity in the place of the recorded one', async () => {
    const history = await read('separate/plain.json')
    const scheduled = history.events.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType.name === 'captureChanges',
    )?.activityTaskScheduledEventAttributes
    if (!scheduled) throw new Error('the history has no such activity')
    scheduled.activityType.name = 'skipReview'
    await expect(replay(history)).rejects.toMatchObject({ name: 'DeterminismViolationError' })
  })

  test('a step that is missing', async () => {
    const history = await read('separate/plain.json')
    const at = history.events.findIndex((event) => event.eventType.endsWith('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES'))
    expect(at).toBeGreaterThan(0)
    const shortened = history.events.toSpliced(at, 1)
    // Event numbers must stay without a hole, or the history itself is refused.
    const renumbered = shortened.map((event, index) => ({ ...event, eventId: String(index + 1) }))
    await expect(replay({ events: renumbered })).rejects.toThrow(/Nondeterminism|TMPRL1100/)
  })
})
