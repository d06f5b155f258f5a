import { describe, expect, test } from 'vitest'
import { APPLIED, FENCED } from '../../../src/events/live-script.ts'
import { OutgoingLine } from '../../../src/events/outgoing-line.ts'
import { MAX_LIVE_OUTPUT_BYTES } from '../../../src/events/outgoing-part.ts'
import type { NewDelta, StoredEvent } from '../../../src/events/topics.ts'

const scope = { projectId: 'p', conversationId: 'c', taskId: 't', turn: 1 }
const text = (offset: number, delta: string, partId = 'a'): NewDelta => ({
  type: 'text.delta',
  scope,
  payload: { messageId: 'm', partId, offset, delta },
})
const output = (offset: number, bytes: Uint8Array): NewDelta => ({
  type: 'output',
  scope,
  payload: { toolUseId: 'u', partId: 'o', offset, stream: 'stdout', data: Buffer.from(bytes).toString('base64') },
})
const closing = (seq: number): StoredEvent => ({
  seq,
  topic: 'messages',
  type: 'message.completed',
  taskId: 't',
  data: JSON.stringify({ parts: [{ partId: 'a' }] }),
})
const summary = (line: OutgoingLine) => {
  const batch = line.take(64, 1_000_000)
  return { batch, ops: batch.ops.map((op) => (op.op === 'delta' ? `${op.offset}+${op.units}` : op.op)) }
}

describe('what waits to be published', () => {
  test('neighbouring deltas travel as one, and a closing event follows what it closes', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hel'), 1)
    line.addDelta(text(3, 'lo'), 1)
    line.addEvents([closing(7)])
    expect(summary(line).ops).toEqual(['0+5', 'event', 'close-part'])
    expect(line.isIdle).toBe(true)
  })

  test('a part that nobody adds to or closes is forgotten, and goes on at its next offset if it moves after all', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hello'), 1)
    line.succeeded(summary(line).batch, [APPLIED])
    line.forgetQuiet()
    expect(line.isIdle).toBe(false)
    line.forgetQuiet()
    expect(line.isIdle).toBe(true)
    line.addDelta(text(5, ' you'), 1)
    expect(summary(line).ops).toEqual(['5+4'])
  })

  test('a repeated delta adds nothing and an overlapping one only its new end', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hello'), 1)
    expect(line.addDelta(text(0, 'Hel'), 1).fresh).toBe(0)
    expect(line.addDelta(text(3, 'lo you'), 1).fresh).toBe(4)
    expect(summary(line).ops).toEqual(['0+9'])
  })

  test('a call without an answer is sent again, joined with what came meanwhile', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hello'), 1)
    const { batch } = summary(line)
    line.addDelta(text(5, ' you'), 1)
    line.failed(batch)
    expect(summary(line).ops).toEqual(['0+9'])
  })

  test('when Redis has lost a part it is sent again from the length that Redis names', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hello'), 1)
    line.succeeded(summary(line).batch, [APPLIED])
    line.addDelta(text(5, ' you'), 1)
    line.succeeded(summary(line).batch, [0])
    expect(summary(line).ops).toEqual(['0+9'])
  })

  test('a part whose lease is refused is given up', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'Hello'), 1)
    line.succeeded(summary(line).batch, [FENCED])
    expect({ idle: line.isIdle, work: line.hasWork }).toEqual({ idle: true, work: false })
  })

  test('an older lease adds nothing to a part that a newer one opened', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'new'), 2)
    expect(line.addDelta(text(3, 'old'), 1).fresh).toBe(0)
    expect(summary(line).ops).toEqual(['0+3'])
  })

  test('neither a surrogate pair nor a character of several bytes is sent in halves', () => {
    const line = new OutgoingLine()
    line.addDelta(text(0, 'a\ud83d'), 1)
    expect(summary(line).ops).toEqual(['0+1'])
    line.addDelta(text(2, '\ude00'), 1)
    expect(summary(line).ops).toEqual(['1+2'])
    const euro = Buffer.from('€')
    line.addDelta(output(0, euro.subarray(0, 2)), 1)
    expect(summary(line).ops).toEqual([])
    line.addDelta(output(2, euro.subarray(2)), 1)
    expect(summary(line).ops).toEqual(['0+3'])
  })

  test('live output ends at its cap', () => {
    const line = new OutgoingLine()
    line.addDelta(output(0, Buffer.alloc(MAX_LIVE_OUTPUT_BYTES + 10, 65)), 1)
    expect(line.addDelta(output(MAX_LIVE_OUTPUT_BYTES + 10, Buffer.from('x')), 1).fresh).toBe(0)
    expect(summary(line).ops).toEqual([`0+${MAX_LIVE_OUTPUT_BYTES}`])
  })

  test('while Redis is away no more than a thousand steps wait, and closings outlive events', () => {
    const line = new OutgoingLine()
    line.addEvents([closing(1)])
    line.addEvents(Array.from({ length: 3_000 }, (_, i) => ({ ...closing(i + 2), type: 'task.started' as const })))
    const { ops } = { ops: line.take(10_000, 1e9).ops }
    expect(ops.length).toBeLessThanOrEqual(1_001)
    expect(ops[0]).toEqual({ op: 'close-part', taskId: 't', partId: 'a' })
  })
})
