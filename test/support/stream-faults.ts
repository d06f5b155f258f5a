import { isTerminalType, type StreamEvent, topicOf } from '../../src/events/topics.ts'
import type { WireFrame } from './event-stream.ts'

/**
 * What is wrong with the frames of one task's stream by the contract, each fault as a sentence; empty for a good one.
 * `hasDeltas: false` is for readers that came late or were away: their parts need not have streamed.
 */
export function streamFaults(frames: readonly WireFrame[], { hasDeltas = true } = {}): string[] {
  const events = frames.map((frame) => frame.data)
  return [
    ...frames.flatMap(frameFaults),
    ...orderFaults(events),
    ...endFaults(events),
    ...partFaults(events, hasDeltas),
  ]
}

function frameFaults({ id, event, data }: WireFrame): string[] {
  const faults: string[] = []
  const seq = 'seq' in data ? String(data.seq) : undefined
  if (data.type !== 'stream.resync' && id !== seq) faults.push(`${data.type}: id ${id}, seq ${seq}`)
  if (event !== topicOf(data.type)) faults.push(`${data.type} under ${event}`)
  if (data.v !== 1 || typeof data.at !== 'number') faults.push(`${data.type}: envelope`)
  return faults
}

/** Durable events by ones, tools requested before started before finished, each once. */
function orderFaults(events: readonly StreamEvent[]): string[] {
  const faults: string[] = []
  let last: number | undefined
  const steps = new Map<string, string[]>()
  for (const event of events) {
    if ('seq' in event) {
      if (last !== undefined && event.seq !== last + 1) faults.push(`seq ${event.seq} after ${last}`)
      last = event.seq
    }
    if (event.type === 'tool.requested' || event.type === 'tool.started' || event.type === 'tool.finished') {
      steps.set(event.toolUseId, [...(steps.get(event.toolUseId) ?? []), event.type.slice(5)])
    }
  }
  for (const [id, seen] of steps) {
    if (seen.join(' ') !== 'requested started finished') faults.push(`tool ${id}: ${seen.join(' ')}`)
  }
  return faults
}

function endFaults(events: readonly StreamEvent[]): string[] {
  const durable = events.filter((event) => 'seq' in event)
  const finals = durable.filter((event) => event.type === 'message.completed' && event.complete)
  const ends = durable.filter((event) => isTerminalType(event.type))
  const faults: string[] = []
  if (finals.length !== 1) faults.push(`${finals.length} final messages`)
  if (ends.length !== 1) faults.push(`${ends.length} terminal events`)
  if (durable.at(-1) !== ends[0]) faults.push('the terminal event is not the last')
  if (durable.at(-2) !== finals[0]) faults.push('the final message is not right before the terminal event')
  const final = finals[0]
  if (final?.type === 'message.completed') {
    if (typeof final.message !== 'string' || final.message === '') faults.push('the final message has no text')
    if (typeof final.timestamp !== 'number') faults.push('the final message has no timestamp')
  }
  return faults
}

/** Folds deltas by the contract's rule and compares each part with what its closing event holds. */
function partFaults(events: readonly StreamEvent[], hasDeltas: boolean): string[] {
  const faults: string[] = []
  const open = new Map<string, { turn: number | undefined; bytes: Buffer; text: string }>()
  const close = (partId: string, whole: string, isSame: (part: { bytes: Buffer; text: string }) => boolean): void => {
    const part = open.get(partId)
    open.delete(partId)
    if (part === undefined && hasDeltas && whole !== '') faults.push(`part ${partId} never streamed`)
    if (part !== undefined && !isSame(part)) faults.push(`part ${partId} closes with other text than it streamed`)
  }
  for (const event of events) {
    switch (event.type) {
      case 'text.delta':
      case 'thinking.delta':
      case 'tool.input_delta': {
        const part = open.get(event.partId) ?? { turn: event.turn, bytes: Buffer.alloc(0), text: '' }
        if (event.offset > part.text.length) faults.push(`part ${event.partId}: a hole before ${event.offset}`)
        if (event.offset === part.text.length) part.text += event.delta
        open.set(event.partId, part)
        break
      }
      case 'output': {
        const part = open.get(event.partId) ?? { turn: event.turn, bytes: Buffer.alloc(0), text: '' }
        if (event.offset > part.bytes.length) faults.push(`output ${event.partId}: a hole before ${event.offset}`)
        if (event.offset === part.bytes.length)
          part.bytes = Buffer.concat([part.bytes, Buffer.from(event.data, 'base64')])
        open.set(event.partId, part)
        break
      }
      case 'turn.reset':
        for (const [partId, part] of open) if (part.turn === event.turn) open.delete(partId)
        break
      case 'message.completed':
        if (event.complete) break
        for (const part of event.parts) close(part.partId, part.text, ({ text }) => text === part.text)
        break
      case 'tool.requested':
        // The reviewer's calls are shown whole; only the coder's stream.
        if (open.has(event.partId)) close(event.partId, 'input', ({ text }) => sameJson(text, event.input))
        break
      case 'command.finished': {
        const { output, tail, partId } = event
        const whole = Buffer.from(output, 'base64')
        if (tail === undefined) close(partId, output, ({ bytes }) => bytes.equals(whole))
        else open.delete(partId)
        break
      }
      default:
    }
  }
  return faults
}

function sameJson(text: string, value: unknown): boolean {
  return JSON.stringify(JSON.parse(text === '' ? '{}' : text)) === JSON.stringify(value)
}
