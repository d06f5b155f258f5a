/**
 * `npm run bench -- page`: the page in a real browser, on the real instance: its weight, its first paint, a long task
 * played again, typing while a terminal is flooded, and what stays on the heap. The server, the stores, the browser and
 * the load share the machine's cores, so times are upper bounds.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { StreamEvent } from '../src/events/topics.ts'
import { apply, initialViewState } from '../src/web/reducer.ts'
import { percentile, type Target } from './client.ts'
import { type Chunk, firstLoadFiles } from './first-load.ts'
import {
  beginOf,
  commandOf,
  endOf,
  longTaskOf,
  openCommandOf,
  openReplyOf,
  PageData,
  type Place,
  type PlaceTask,
  replyOf,
} from './page-data.ts'
import { LAST_WORD, PageBrowser, type PageWindow } from './page-window.ts'

const MESSAGES = 1_000
const EVENTS = 10_000
const PAINTS = 3
const REPLAYS = 5
/** What a viewer sees live of one command; 20 of them are 5 MiB. */
const COMMAND_BYTES = 256 * 1024
const COMMANDS = 20
const OUTPUT_STEP_BYTES = 8 * 1024
const MIN_KEYS = 60
const MAX_KEYS = 2_000
const STREAMED_MESSAGES = 50
const DELTAS_A_MESSAGE = 2_000
const DELTAS_AT_ONCE = 10
const FLUSH_MS = 5_000

export interface PageOptions {
  readonly target: Target
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly setupUrl: string
  readonly browserPath: string
  /** The built page, with its manifest. */
  readonly webFolder: string
}

interface Row {
  readonly what: string
  readonly measured: string
  readonly target: string
}

/** The page's rows. Makes its own projects and leaves them; the instance is private. */
export async function pageRows(options: PageOptions): Promise<Row[]> {
  const data = new PageData(options)
  try {
    const browser = await PageBrowser.open(options.target.url, options.setupUrl, options.browserPath)
    try {
      return [
        firstLoad(options.webFolder),
        ...(await firstPaint(data, browser)),
        ...(await longTask(data, browser)),
        ...(await typing(data, browser)),
        ...(await memory(data, browser)),
      ]
    } finally {
      await browser.close()
    }
  } finally {
    await data.close()
  }
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`
}

/** The entry and all that it imports at once, each file compressed by itself. */
function firstLoad(webFolder: string): Row {
  const manifest = JSON.parse(readFileSync(join(webFolder, '.vite', 'manifest.json'), 'utf8')) as Record<string, Chunk>
  const bytes = firstLoadFiles(manifest).reduce(
    (sum, file) => sum + gzipSync(readFileSync(join(webFolder, file))).length,
    0,
  )
  return {
    what: 'page: JavaScript at first load, gzip',
    measured: `${(bytes / 1_000).toFixed(0)} KB`,
    target: '≤ 200 KB',
  }
}

async function firstPaint(data: PageData, browser: PageBrowser): Promise<Row[]> {
  const place = await data.newPlace()
  await data.storeTalk(place, MESSAGES / 2, LAST_WORD)
  const cold: number[] = []
  const warm: number[] = []
  for (let i = 0; i < PAINTS; i++) {
    await browser.window(async (window) => {
      await window.page.goto(place.path)
      cold.push(await window.lastWordMs())
      await window.page.reload()
      warm.push(await window.lastWordMs())
    })
  }
  const what = `page: ${MESSAGES} messages, address to last message in sight`
  return [
    { what: `${what}, nothing cached`, measured: ms(percentile(cold, 0.5)), target: '≤ 1 s' },
    { what: `${what}, reload`, measured: ms(percentile(warm, 0.5)), target: '≤ 1 s' },
  ]
}

async function longTask(data: PageData, browser: PageBrowser): Promise<Row[]> {
  const ended = await data.newPlace()
  const endedTask = await data.newTask(ended, true)
  const events = longTaskOf(endedTask, EVENTS)
  await data.storeMessages(endedTask, events)
  const stored = await data.store(ended.projectId, events)
  const parsed = stored.map(({ data: text }) => JSON.parse(text) as StreamEvent)

  const running = await data.newPlace()
  const runningTask = await data.newTask(running, false)
  await data.store(running.projectId, longTaskOf(runningTask, EVENTS).slice(0, -1))
  const idle = await data.newPlace()
  const replayed = await browser.window((window) =>
    playAgain(window, idle, ended, ({ page }) => page.getByRole('region', { name: 'How the task ended' }).waitFor()),
  )
  const lastStep = `Step ${EVENTS / 10}:`
  const followed = await browser.window((window) =>
    playAgain(window, idle, running, ({ page }) => page.getByText(lastStep).waitFor()),
  )
  const what = `page: ${stored.length} events`
  return [
    { what: `${what}, reducer alone`, measured: ms(reducerMs(parsed)), target: '≤ 200 ms' },
    { what: `${what}, ended task opened, longest task`, measured: blocked(replayed.longestMs), target: 'none > 50 ms' },
    { what: '  from the click to its end card', measured: ms(replayed.wholeMs), target: '' },
    {
      what: `${what}, running task joined, longest task`,
      measured: blocked(followed.longestMs),
      target: 'none > 50 ms',
    },
    { what: '  from the click to its last step', measured: ms(followed.wholeMs), target: '' },
  ]
}

function blocked(longestMs: number): string {
  return longestMs === 0 ? 'none > 50 ms' : ms(longestMs)
}

/** The best of a few: what the fold itself costs, without what else the machine did. Parsing is not in it. */
function reducerMs(events: readonly StreamEvent[]): number {
  const times = Array.from({ length: REPLAYS }, () => {
    const startedAt = performance.now()
    let state = initialViewState()
    for (const event of events) state = apply(state, event)
    if (state.lastSeq !== events.length) throw new Error('the reducer left events out')
    return performance.now() - startedAt
  })
  return Math.min(...times)
}

/** Goes to a place from another one, without loading the page anew: its own start is not in the figures. */
async function playAgain(
  window: PageWindow,
  from: Place,
  to: Place,
  end: (window: PageWindow) => Promise<void>,
): Promise<{ longestMs: number; wholeMs: number }> {
  const { page } = window
  await page.goto(from.path)
  await page.getByRole('textbox', { name: 'Message to the agent' }).waitFor()
  await page.waitForLoadState('networkidle', { timeout: 2_000 }).catch(() => undefined)
  const startedAt = await window.now()
  await window.go(to.path)
  await end(window)
  const endedAt = await window.now()
  return { longestMs: await window.longestTaskMs(startedAt), wholeMs: endedAt - startedAt }
}

/** Keys one after the other, as fast as a person types, while as many commands write as make 5 MiB. */
async function typing(data: PageData, browser: PageBrowser): Promise<Row[]> {
  const place = await data.newPlace()
  const task = await data.newTask(place, false)
  await data.store(place.projectId, [
    ...beginOf(task, 'Write a lot'),
    ...commandOf(task, 1, 'true', Buffer.from('ok\n')),
  ])
  return await browser.window(async (window) => {
    const { page } = window
    await page.goto(`${place.path}?tab=terminal`)
    await page.locator('.xterm-rows').getByText('ok after').waitFor()
    await page.getByRole('textbox', { name: 'Message to the agent' }).focus()
    const startedAt = await window.now()
    const progress = { isWritten: false }
    const written = writeCommands(data, task).finally(() => {
      progress.isWritten = true
    })
    let keys = 0
    for (; keys < MAX_KEYS && (keys < MIN_KEYS || !progress.isWritten); keys++) {
      await page.keyboard.press('a', { delay: 30 })
    }
    await written
    await page.locator('.xterm-rows').getByText(endOfOutput(COMMANDS)).waitFor()
    const wholeMs = (await window.now()) - startedAt
    const longestKeyMs = await window.longestKeyMs()
    const longestTaskMs = await window.longestTaskMs(startedAt)
    const size = `${((COMMANDS * COMMAND_BYTES) / 1_000_000).toFixed(1)} MB of terminal output`
    await data.store(place.projectId, [endOf(task)])
    return [
      {
        what: `page: ${size} in ${(wholeMs / 1_000).toFixed(1)} s, ${keys} keys, longest key to paint`,
        measured: longestKeyMs === 0 ? '≤ 16 ms' : ms(longestKeyMs),
        target: '≤ 200 ms',
      },
      { what: '  longest task meanwhile', measured: blocked(longestTaskMs), target: '' },
    ]
  })
}

function endOfOutput(n: number): string {
  return `end of output ${n}`
}

/** Commands as a worker tells them: their output in pieces as it comes, then whole with their end. */
async function writeCommands(data: PageData, task: PlaceTask): Promise<void> {
  for (let n = 1; n <= COMMANDS; n++) {
    const turn = n + 1
    const output = outputOf(n)
    const [started, finished] = commandOf(task, turn, `./write-a-lot ${n}`, output)
    if (started === undefined || finished === undefined) return
    await data.store(task.scope.projectId, [started])
    for (let offset = 0; offset < output.length; offset += OUTPUT_STEP_BYTES) {
      const piece = output.subarray(offset, offset + OUTPUT_STEP_BYTES).toString('base64')
      const scope = { ...task.scope, turn }
      const payload = { ...openCommandOf(task, turn), offset, stream: 'stdout', data: piece } as const
      data.publisher.publishDelta({ type: 'output', scope, payload }, 1)
      await data.publisher.flush(FLUSH_MS)
    }
    await data.store(task.scope.projectId, [finished])
  }
}

function outputOf(n: number): Buffer {
  const end = `\n${endOfOutput(n)}\n`
  const line = '\u001b[32m  ok\u001b[0m  parse keeps what stands between two quotes, number {n} of many\n'
  const lines = Array.from({ length: COMMAND_BYTES / line.length }, (_, i) => line.replace('{n}', String(i % 1_000)))
  return Buffer.from(lines.join('').slice(0, COMMAND_BYTES - end.length) + end)
}

/** What an hour of streaming would leave behind, played in less: as much text, in fewer pieces a second. */
async function memory(data: PageData, browser: PageBrowser): Promise<Row[]> {
  const place = await data.newPlace()
  const task = await data.newTask(place, false)
  await data.store(place.projectId, [...beginOf(task, 'Talk a lot'), ...replyOf(task, 1, 'I begin.')])
  return await browser.window(async (window) => {
    await window.page.goto(place.path)
    await window.page.getByText('I begin.').waitFor()
    const before = await window.heapBytes()
    let characters = 0
    let afterFirst = before
    for (let turn = 2; turn < STREAMED_MESSAGES + 2; turn++) {
      characters += await streamMessage(data, task, turn)
      await window.page.getByText(`End of answer ${turn}.`).waitFor()
      if (turn === STREAMED_MESSAGES / 5 + 1) afterFirst = await window.heapBytes()
    }
    const after = await window.heapBytes()
    await data.store(place.projectId, [endOf(task)])
    const held = `text itself ${mb(characters)}`
    const what = `page: heap after ${STREAMED_MESSAGES} x ${DELTAS_A_MESSAGE} deltas`
    return [
      { what: `${what}, against the start (${held})`, measured: `${mb(before)} → ${mb(after)}`, target: 'a few MB' },
      { what: '  its last four fifths', measured: `+ ${mb(after - afterFirst)}`, target: '' },
    ]
  })
}

function mb(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** Streams one reply and completes it; how many characters it has. */
async function streamMessage(data: PageData, task: PlaceTask, turn: number): Promise<number> {
  const scope = { ...task.scope, turn }
  const part = openReplyOf(task, turn)
  const [started, ...closing] = replyOf(task, turn, textOf(turn))
  if (started === undefined) return 0
  await data.store(scope.projectId, [started])
  let offset = 0
  for (const [index, delta] of deltasOf(turn).entries()) {
    data.publisher.publishDelta({ type: 'text.delta', scope, payload: { ...part, offset, delta } }, 1)
    offset += delta.length
    if (index % DELTAS_AT_ONCE === 0) await data.publisher.flush(FLUSH_MS)
  }
  await data.store(scope.projectId, closing)
  return offset
}

function deltasOf(turn: number): string[] {
  const word = (index: number): string => (index % 40 === 39 ? 'and so on.\n\n' : `word ${index} of it, `)
  const words = Array.from({ length: DELTAS_A_MESSAGE - 1 }, (_, index) => word(index))
  return [...words, `\n\nEnd of answer ${turn}.`]
}

function textOf(turn: number): string {
  return deltasOf(turn).join('')
}
