import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages'
import { describe, expect, test } from 'vitest'
import { ReplyAssembler } from '../../../src/model/reply-assembler.ts'

type Event = RawMessageStreamEvent

const start = {
  type: 'message_start',
  message: { model: 'm', usage: { input_tokens: 3, output_tokens: 1 } },
} as unknown as Event
const open = (index: number, block: object) => ({ type: 'content_block_start', index, content_block: block }) as Event
const delta = (index: number, change: object) => ({ type: 'content_block_delta', index, delta: change }) as Event
const close = (index: number) => ({ type: 'content_block_stop', index }) as Event
const end = (stop: string | null, more: object = {}) =>
  ({
    type: 'message_delta',
    delta: { stop_reason: stop, stop_sequence: null, ...more },
    usage: { output_tokens: 9 },
  }) as Event
const last = { type: 'message_stop' } as Event

const text = (index: number, value: string): Event[] => [
  open(index, { type: 'text', text: '' }),
  delta(index, { type: 'text_delta', text: value }),
  close(index),
]
const tool = (index: number, pieces: readonly string[], input: object = {}): Event[] => [
  open(index, { type: 'tool_use', id: `t${index}`, name: 'bash', input }),
  ...pieces.map((piece) => delta(index, { type: 'input_json_delta', partial_json: piece })),
  close(index),
]

function assemble(...events: readonly Event[]) {
  const assembler = new ReplyAssembler()
  for (const event of [start, ...events]) assembler.add(event)
  return assembler.finish()
}

const useOf = (input: unknown) => ({ type: 'tool_use', id: 't0', name: 'bash', input })

describe('a reply', () => {
  test('is put together from its events', () => {
    expect(assemble(...text(0, 'Hi'), ...tool(1, ['{"com', 'mand":"ls"}']), end('tool_use'), last)).toEqual({
      content: [
        { type: 'text', text: 'Hi' },
        { type: 'tool_use', id: 't1', name: 'bash', input: { command: 'ls' } },
      ],
      stopReason: 'tool_use',
      stopDetail: null,
      usage: { inputTokens: 3, outputTokens: 9, cacheReadTokens: 0, cacheWriteTokens: 0 },
      model: 'm',
    })
  })

  test.each([
    ['no pieces', [], {}, {}],
    ['an empty piece', [''], {}, {}],
    ['its input with the start', [], { command: 'ls' }, { command: 'ls' }],
  ])('takes a call with %s', (_, pieces, given, input) => {
    expect(assemble(...tool(0, pieces, given), end('tool_use'), last).content).toEqual([useOf(input)])
  })

  test.each([
    ['half an input', ['{"command":"ls']],
    ['a list', ['["ls"]']],
    ['a string', ['"ls"']],
    ['null', ['null']],
  ])('with %s as a tool input that ended properly is kept as what it is, for the model to be told', (_, pieces) => {
    expect(assemble(...tool(0, pieces), end('tool_use'), last).content).toEqual([
      useOf({ invalid_json: pieces.join('') }),
    ])
  })

  test.each(['max_tokens', 'refusal', 'model_context_window_exceeded', 'something_new', null])(
    'that ended with %s has no tool call, not even a whole one',
    (stop) => {
      const reply = assemble(...tool(0, ['{"command":"ls"}']), ...text(1, 'and'), end(stop), last)
      expect({ content: reply.content, truncated: reply.truncated }).toEqual({
        content: [{ type: 'text', text: 'and' }],
        truncated: 'tool_use',
      })
    },
  )

  test('leaves out thinking that was cut', () => {
    const thinking = [open(0, { type: 'thinking', thinking: 'half', signature: '' }), close(0)]
    const { content, truncated } = assemble(...thinking, end('max_tokens'), last)
    expect({ content, truncated }).toEqual({ content: [], truncated: 'thinking' })
  })

  test('leaves out texts of nothing but blanks, and its deltas count the places of what is left', () => {
    const assembler = new ReplyAssembler()
    const spread = [
      open(1, { type: 'text', text: '' }),
      ...['\n', 'Hi', ' there'].map((piece) => delta(1, { type: 'text_delta', text: piece })),
    ]
    const events = [start, ...text(0, ' \n'), ...spread, ...tool(2, ['{}']), end('tool_use'), last]
    const deltas = events.flatMap((event) => assembler.add(event))
    expect({ content: assembler.finish().content, deltas }).toEqual({
      content: [
        { type: 'text', text: '\nHi there' },
        { type: 'tool_use', id: 't2', name: 'bash', input: {} },
      ],
      deltas: [
        { type: 'block_start', index: 0, block: 'text' },
        { type: 'text', index: 0, delta: '\nHi' },
        { type: 'text', index: 0, delta: ' there' },
        { type: 'block_start', index: 1, block: 'tool_use', toolUseId: 't2', toolName: 'bash' },
        { type: 'tool_input', index: 1, delta: '{}' },
      ],
    })
  })

  test('whose text stands in the start of its block streams it like any other', () => {
    const assembler = new ReplyAssembler()
    const deltas = [start, open(0, { type: 'text', text: 'Hi' })].flatMap((event) => assembler.add(event))
    expect(deltas).toEqual([
      { type: 'block_start', index: 0, block: 'text' },
      { type: 'text', index: 0, delta: 'Hi' },
    ])
  })

  test('is judged by its content where the stop reason contradicts it', () => {
    expect(assemble(...tool(0, ['{}']), end('end_turn'), last).stopReason).toBe('tool_use')
    expect(assemble(...text(0, 'Hi'), end('tool_use'), last).stopReason).toBe('end_turn')
  })

  test('tells why it was refused', () => {
    const details = { stop_details: { type: 'refusal', category: 'cyber', explanation: 'No.' } }
    expect(assemble(end('refusal', details), last).stopDetail).toBe('cyber: No.')
  })

  test('without message_stop is broken', () => {
    expect(() => assemble(...text(0, 'Hi'), end('end_turn'))).toThrow(/ended before its last event/)
  })

  test('passes over events and blocks that it does not know', () => {
    const strange = [
      { type: 'weather' } as unknown as Event,
      open(0, { type: 'server_thing' }),
      delta(0, { type: 'server_delta' }),
      delta(7, { type: 'text_delta', text: 'lost' }),
    ]
    expect(assemble(...strange, ...text(1, 'Hi'), end('end_turn'), last).content).toEqual([
      { type: 'text', text: 'Hi' },
    ])
  })
})
