import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partIdOf, partsOf, ReplyStream } from '../../../src/agent/reply-stream.ts'
import type { NewDelta } from '../../../src/events/topics.ts'
import type { ModelDelta } from '../../../src/model/types.ts'

const scope = { projectId: 'prj_1', conversationId: 'cnv_1', taskId: 'tsk_1', turn: 3 }

function aStream(): { stream: ReplyStream; published: NewDelta[] } {
  const published: NewDelta[] = []
  return {
    stream: new ReplyStream({ messageId: 'msg_1', attempt: 1 }, scope, (delta) => published.push(delta)),
    published,
  }
}

const start = (index: number, block: 'text' | 'thinking' | 'tool_use', toolUseId?: string): ModelDelta => ({
  type: 'block_start',
  index,
  block,
  ...(toolUseId === undefined ? {} : { toolUseId }),
})

describe('ReplyStream', () => {
  test('publishes each piece with its part and its offset', () => {
    const { stream, published } = aStream()
    stream.push(start(0, 'thinking'))
    stream.push({ type: 'thinking', index: 0, delta: 'hm' })
    stream.push(start(1, 'text'))
    stream.push({ type: 'text', index: 1, delta: 'Hel' })
    stream.push({ type: 'text', index: 1, delta: 'lo' })
    stream.push(start(2, 'tool_use', 'toolu_1'))
    stream.push({ type: 'tool_input', index: 2, delta: '{"a"' })
    stream.push({ type: 'tool_input', index: 2, delta: ':1}' })
    const at = (index: number, offset: number, delta: string) => ({
      messageId: 'msg_1',
      partId: `msg_1:${index}`,
      offset,
      delta,
    })
    expect(published).toEqual([
      { type: 'thinking.delta', scope, payload: at(0, 0, 'hm') },
      { type: 'text.delta', scope, payload: at(1, 0, 'Hel') },
      { type: 'text.delta', scope, payload: at(1, 3, 'lo') },
      { type: 'tool.input_delta', scope, payload: { ...at(2, 0, '{"a"'), toolUseId: 'toolu_1' } },
      { type: 'tool.input_delta', scope, payload: { ...at(2, 4, ':1}'), toolUseId: 'toolu_1' } },
    ])
  })

  test('offsets count UTF-16 units, so that whoever puts the pieces together gets the text', () => {
    const pieces = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(pieces, (texts) => {
        const { stream, published } = aStream()
        stream.push(start(0, 'text'))
        for (const delta of texts) stream.push({ type: 'text', index: 0, delta })
        let have = ''
        for (const delta of published) {
          if (delta.type !== 'text.delta') continue
          expect(delta.payload.offset).toBe(have.length)
          have += delta.payload.delta
        }
        expect(stream.partialParts()).toEqual([{ partId: 'msg_1:0', type: 'text', text: have }])
      }),
    )
  })

  test('what is left of a reply that was cut off: text and thinking that arrived, no half tool call, no empty part', () => {
    const { stream } = aStream()
    stream.push(start(0, 'thinking'))
    stream.push({ type: 'thinking', index: 0, delta: 'so' })
    stream.push(start(1, 'text'))
    stream.push(start(2, 'text'))
    stream.push({ type: 'text', index: 2, delta: 'half a sen' })
    stream.push(start(3, 'tool_use', 'toolu_1'))
    stream.push({ type: 'tool_input', index: 3, delta: '{"comm' })
    expect(stream.partialParts()).toEqual([
      { partId: 'msg_1:0', type: 'thinking', text: 'so' },
      { partId: 'msg_1:2', type: 'text', text: 'half a sen' },
    ])
  })

  test('a piece of a block that was never announced is dropped', () => {
    const { stream, published } = aStream()
    stream.push({ type: 'text', index: 0, delta: 'lost' })
    expect([published, stream.partialParts()]).toEqual([[], []])
  })
})

test('the parts of a whole reply have the ids of its deltas', () => {
  const parts = partsOf({ messageId: 'msg_1', attempt: 1 }, [
    { type: 'thinking', thinking: '', signature: 's' },
    { type: 'text', text: 'Hello' },
    { type: 'tool_use', id: 'toolu_1', name: 'bash', input: {} },
    { type: 'thinking', thinking: 'hm', signature: 's' },
  ])
  expect(parts).toEqual([
    { partId: partIdOf({ messageId: 'msg_1', attempt: 1 }, 1), type: 'text', text: 'Hello' },
    { partId: partIdOf({ messageId: 'msg_1', attempt: 1 }, 3), type: 'thinking', text: 'hm' },
  ])
})
