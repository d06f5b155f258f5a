/** Measures what the chaos run cannot show: how long a cancel takes to be confirmed, and a reader to catch up. */

import { type Api, createApi } from './api.ts'
import { findCommands } from './processes.ts'
import { createRandom } from './random.ts'
import { type Recovery, summarise } from './recovery.ts'
import { type Binaries, type ChaosStack, startChaosStack } from './stack.ts'
import { createTracker } from './tracker.ts'
import { Viewer, type ViewerEvent } from './viewer.ts'
import { until } from './wait.ts'

export interface FiguresOptions {
  readonly samples: number
  readonly home: string
  readonly binaries: Binaries
  readonly say: (line: string) => void
}

const MISSED = 1_000
const LIMIT_MS = 60_000
/** A child that has left its session and its group, and the command itself. */
const STUBBORN = 'setsid nohup sleep 300 > /dev/null 2>&1 & echo up; sleep 300'

/** Leaves nothing running. */
export async function measureFigures(options: FiguresOptions): Promise<readonly Recovery[]> {
  const stack = await startChaosStack({ home: options.home, binaries: options.binaries, onLine: options.say })
  try {
    return [await measureCancel(stack, options.samples), await measureResume(stack, options.samples)]
  } finally {
    await stack.stop()
  }
}

/** From the call to the terminal event at a reader; throws when a process of the task is still there then. */
async function measureCancel(stack: ChaosStack, samples: number): Promise<Recovery> {
  const api = createApi(stack.url, stack.token)
  const projectId = await api.createProject('cancel')
  const tracker = createTracker()
  const viewer = follow(stack, projectId, 0, (event) => tracker.note(event))
  const values: number[] = []
  for (let n = 0; n < samples; n++) {
    const taskId = await post(api, projectId, `cancel-${n}`, [
      { tools: [{ name: 'bash', input: { command: STUBBORN } }] },
    ])
    await tracker.untilEvent(taskId, ({ type }) => type === 'command.started')
    await until(() => findCommands(stack.home).length > 0, LIMIT_MS, 'the command runs')
    const at = performance.now()
    const over = tracker.untilOver(taskId)
    await api.cancel(taskId)
    await over
    values.push(Math.round(performance.now() - at))
    const left = findCommands(stack.home)
    if (left.length > 0) throw new Error(`after the confirmed cancel there was still ${left[0]?.command}`)
  }
  await viewer.stop()
  return summarise('cancel to confirmed', values)
}

/** From the request to the last of so many missed events, parsed. */
async function measureResume(stack: ChaosStack, samples: number): Promise<Recovery> {
  const api = createApi(stack.url, stack.token)
  const projectId = await api.createProject('resume')
  const tracker = createTracker()
  const filler = follow(stack, projectId, 0, (event) => tracker.note(event))
  const turn = { repeat: 150, tools: [{ name: 'glob', input: { pattern: '*{{n}}.txt' } }] }
  await tracker.untilOver(await post(api, projectId, 'fill', [turn, { text: 'Done.' }]))
  await filler.stop()
  const from = filler.cursor - MISSED
  if (from < 0) throw new Error(`the project has only ${filler.cursor} events`)
  const values: number[] = []
  for (let n = 0; n < samples; n++) {
    const at = performance.now()
    const viewer = follow(stack, projectId, from, ({ seq }) => {
      if (seq === filler.cursor) values.push(Math.round(performance.now() - at))
    })
    await until(() => values.length > n, LIMIT_MS, 'the reader has caught up')
    await viewer.stop()
  }
  return summarise(`resume of ${MISSED} events`, values)
}

function follow(stack: ChaosStack, projectId: string, after: number, onEvent: (event: ViewerEvent) => void): Viewer {
  return new Viewer({
    baseUrl: stack.url,
    token: stack.token,
    path: `/api/workspace/${projectId}/events`,
    random: createRandom(1),
    leavesAfterMs: null,
    after,
    onEvent,
  })
}

async function post(api: Api, projectId: string, name: string, turns: readonly object[]): Promise<string> {
  const message = `script: ${JSON.stringify({ turns })}`
  return (await api.chat(projectId, { message, clientMessageId: name })).taskId
}
