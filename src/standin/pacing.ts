/** Sends the frames of a reply: at once, or at the speed of a model, or not all of them. */

import type { ServerResponse } from 'node:http'
import type { Fault } from './faults.ts'
import { errorFrame, type PacedFrame, type ReplyPlan } from './frames.ts'

/** How fast a scripted server replies. */
export interface Pace {
  /** Wait before the headers, in milliseconds. */
  readonly ttftMs: number
  /** 0: as fast as the socket takes it. */
  readonly tokensPerSecond: number
  /** Share by which every wait varies at random, 0 to 1. */
  readonly jitter: number
}

interface SendInput {
  readonly response: ServerResponse
  readonly plan: ReplyPlan
  readonly pace: Pace
  readonly fault: Fault | null
  /** A stalled reply is closed after this long. */
  readonly maxHangMs: number
  /** Called when the reply begins. */
  onStart(): void
}

/** Frames sent before a stream fault strikes, unless it says otherwise: the start, a ping, a block and a delta. */
const DEFAULT_FRAMES_BEFORE_FAULT = 4
/** Below the resolution of timers, so frames are gathered until they are due. */
const TICK_MS = 5

/** Resolves when the reply is out, with whether all of it went. The client's leaving ends it at once. */
export async function sendFrames(input: SendInput): Promise<boolean> {
  const { response, pace, plan, fault } = input
  const closed = watchClose(response)
  await wait(vary(pace.ttftMs, pace.jitter), closed)
  if (closed.aborted) return false
  input.onStart()
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  const cut = cutFor(plan.frames, fault)
  await writePaced(response, cut.frames, pace, closed)
  if (closed.aborted) return false
  await cut.strike(response, closed, input.maxHangMs)
  return cut.whole
}

interface Cut {
  readonly frames: readonly PacedFrame[]
  readonly whole: boolean
  strike(response: ServerResponse, closed: AbortSignal, maxHangMs: number): Promise<void>
}

/** Which frames go out, and what happens after them. */
function cutFor(frames: readonly PacedFrame[], fault: Fault | null): Cut {
  const before = frames.slice(0, Math.min(fault?.afterFrames ?? DEFAULT_FRAMES_BEFORE_FAULT, frames.length - 1))
  switch (fault?.kind) {
    case 'stall':
      return { frames: before, whole: false, strike: hang }
    case 'cut':
      return { frames: before, whole: false, strike: endHere }
    case 'reset':
      return { frames: before, whole: false, strike: reset }
    case 'garbage':
      return { frames: [...before, GARBAGE], whole: false, strike: endHere }
    case 'error_event':
      return { frames: [...before, OVERLOADED_EVENT], whole: false, strike: endHere }
    case 'no_message_stop':
      return { frames: frames.slice(0, -1), whole: false, strike: endHere }
    default:
      return { frames, whole: true, strike: endHere }
  }
}

const GARBAGE: PacedFrame = {
  text: 'event: content_block_delta\ndata: {"type":"content_block_de\u0001lta"<html>\n\n',
  tokens: 0,
}
const OVERLOADED_EVENT: PacedFrame = { text: errorFrame('overloaded_error', 'Overloaded'), tokens: 0 }

function endHere(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('close', () => resolve())
    response.end(() => resolve())
  })
}

async function hang(response: ServerResponse, closed: AbortSignal, maxHangMs: number): Promise<void> {
  await wait(maxHangMs, closed)
  response.destroy()
}

/** What was written must have left before the reset, or the client sees nothing of it. */
async function reset(response: ServerResponse, closed: AbortSignal): Promise<void> {
  await wait(TICK_MS * 4, closed)
  response.socket?.resetAndDestroy()
}

async function writePaced(
  response: ServerResponse,
  frames: readonly PacedFrame[],
  pace: Pace,
  closed: AbortSignal,
): Promise<void> {
  if (pace.tokensPerSecond <= 0) {
    response.write(frames.map((frame) => frame.text).join(''))
    return
  }
  let due = ''
  let waitMs = 0
  for (const frame of frames) {
    waitMs += vary((frame.tokens / pace.tokensPerSecond) * 1000, pace.jitter)
    due += frame.text
    if (waitMs < TICK_MS) continue
    await wait(waitMs, closed)
    if (closed.aborted) return
    response.write(due)
    due = ''
    waitMs = 0
  }
  if (due !== '') response.write(due)
}

function vary(ms: number, jitter: number): number {
  return jitter === 0 ? ms : ms * (1 + jitter * (Math.random() * 2 - 1))
}

function watchClose(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort())
  return controller.signal
}

function wait(ms: number, closed: AbortSignal): Promise<void> {
  if (ms <= 0 || closed.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      closed.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    closed.addEventListener('abort', done, { once: true })
  })
}
