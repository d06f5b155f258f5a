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

  test.each(['max_tokens', 'refusal', 'model_context_window_exceeded', 'something_new'])(
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

  test('keeps thinking that nobody signed in front of text that was cut, so that the text has the place it was shown at', () => {
    const thinking = [open(0, { type: 'thinking', thinking: 'hm', signature: '' }), close(0)]
    const { content, truncated } = assemble(...thinking, ...text(1, 'So'), end('max_tokens'), last)
    expect({ content, truncated }).toEqual({
      content: [
        { type: 'thinking', thinking: 'hm', signature: '' },
        { type: 'text', text: 'So' },
      ],
      truncated: 'text',
    })
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

  test('is whole without a stop reason when all that it began is closed, and cut when something is not', () => {
    const closed = assemble(...text(0, 'I look.'), ...tool(1, ['{"command":"ls"}']), end(null), last)
    const words = assemble(...text(0, 'Done.'), last)
    const open_ = assemble(...text(0, 'I look.'), ...tool(1, ['{"command":"ls"}']).slice(0, -1), end(null), last)
    expect([closed, words, open_].map(({ content, stopReason }) => [content.length, stopReason])).toEqual([
      [2, 'tool_use'],
      [1, 'end_turn'],
      [1, 'unknown'],
    ])
  })

  test('keeps its stop reason and its counts when further events say nothing of them', () => {
    const usage = { type: 'message_delta', delta: {}, usage: { output_tokens: -4, input_tokens: null } }
    const reply = assemble(...tool(0, ['{}']), end('tool_use'), usage as unknown as Event, last, ...text(1, 'after'))
    expect(reply).toMatchObject({
      content: [useOf({})],
      stopReason: 'tool_use',
      usage: { inputTokens: 3, outputTokens: 9 },
    })
  })

  test('loses no block to a server that gives several one index, tells a beginning twice or closes nothing', () => {
    const assembler = new ReplyAssembler()
    const begin = open(0, { type: 'tool_use', id: 't0', name: 'bash', input: {} })
    const events = [
      ...[start, ...text(0, 'One.'), ...text(0, 'Two.'), begin, begin],
      ...[delta(0, { type: 'input_json_delta', partial_json: '{"command":"ls"}' }), end('tool_use'), last],
    ]
    const deltas = events.flatMap((event) => assembler.add(event))
    expect(assembler.finish().content).toEqual([
      { type: 'text', text: 'One.' },
      { type: 'text', text: 'Two.' },
      useOf({ command: 'ls' }),
    ])
    expect(deltas.flatMap((each) => (each.type === 'block_start' ? [each.index] : []))).toEqual([0, 1, 2])
  })

  test('may begin twice before its content or under its own id; another one in its middle breaks it', () => {
    const named = (id?: string) => ({ type: 'message_start', message: { id, model: 'm' } }) as unknown as Event
    expect(assemble(start, named('a'), ...text(0, 'Hi'), named('a'), end('end_turn'), last).content).toHaveLength(1)
    for (const other of [named('b'), named()])
      expect(() => assemble(named('a'), ...text(0, 'Hi'), other)).toThrow(/Another reply began/)
  })

  test('without end is given up: text, inputs and blocks are bounded', () => {
    const piece = 'x'.repeat(1024 * 1024)
    const text_ = [
      open(0, { type: 'text', text: '' }),
      ...Array(17).fill(delta(0, { type: 'text_delta', text: piece })),
    ]
    const blocks = Array.from({ length: 10_001 }, (_, at) => open(at, { type: 'text', text: 'x' }))
    for (const events of [text_, blocks]) expect(() => assemble(...events)).toThrow(/has no end/)
  })

  test('holds a call with an input of 2 MB, and 200 calls, as they came', () => {
    const content = 'é'.repeat(1024 * 1024)
    const pieces = JSON.stringify({ content }).match(/.{1,65536}/gs) ?? []
    expect(assemble(...tool(0, pieces), end('tool_use'), last).content).toEqual([useOf({ content })])
    const many = Array.from({ length: 200 }, (_, at) => tool(at, ['{"n":', `${at}}`])).flat()
    expect(assemble(...many, end('tool_use'), last).content).toEqual(
      Array.from({ length: 200 }, (_, n) => ({ type: 'tool_use', id: `t${n}`, name: 'bash', input: { n } })),
    )
  })

  test('keeps every thinking block with its signature in its place, hidden ones too', () => {
    const thought = (index: number, words: string, signature: string) => [
      open(index, { type: 'thinking', thinking: '', signature: '' }),
      delta(index, { type: 'thinking_delta', thinking: words }),
      ...signature.split('').map((piece) => delta(index, { type: 'signature_delta', signature: piece })),
      close(index),
    ]
    const hidden = [open(1, { type: 'redacted_thinking', data: 'opaque' }), close(1)]
    const events = [...thought(0, 'a', 'sig1'), ...hidden, ...thought(2, '', 'sig2'), ...tool(3, ['{}'])]
    expect(assemble(...events, end('tool_use'), last).content).toEqual([
      { type: 'thinking', thinking: 'a', signature: 'sig1' },
      { type: 'redacted_thinking', data: 'opaque' },
      { type: 'thinking', thinking: '', signature: 'sig2' },
      { type: 'tool_use', id: 't3', name: 'bash', input: {} },
    ])
  })

  test('with calls that the server ran itself is what the model said beside them, and goes on where it paused', () => {
    const own = [
      open(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
      delta(0, { type: 'input_json_delta', partial_json: '{"query":"x"}' }),
      close(0),
      open(1, { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }),
      close(1),
    ]
    const { content, stopReason } = assemble(...own, ...text(2, 'So far.'), end('pause_turn'), last)
    expect({ content, stopReason }).toEqual({ content: [{ type: 'text', text: 'So far.' }], stopReason: 'pause_turn' })
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
