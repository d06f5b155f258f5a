import { expect, test } from 'vitest'
import type { LiveDelta } from '../../../src/events/live-wire.ts'
import { OpenParts } from '../../../src/events/open-parts.ts'

const piece = (type: 'output' | 'text.delta', lease: number, offset: number, text: string): LiveDelta => ({
  kind: 'delta',
  ...{ type, lease, offset },
  topic: type === 'output' ? 'terminal' : 'messages',
  taskId: 't',
  turn: 1,
  partId: 'p',
  units: text.length,
  data: JSON.stringify({ offset, ...(type === 'output' ? { data: btoa(text) } : { delta: text }) }),
})

test('output that a newer attempt sends from the start brings only what is new; a reply begins anew', () => {
  const output = new OpenParts()
  output.apply(piece('output', 1, 0, 'one '))
  expect(output.apply(piece('output', 2, 0, 'one two'))).toMatchObject({
    offset: 4,
    units: 3,
    data: JSON.stringify({ offset: 4, data: btoa('two') }),
  })
  const reply = new OpenParts()
  reply.apply(piece('text.delta', 1, 0, 'one '))
  expect(reply.apply(piece('text.delta', 2, 0, 'another'))).toMatchObject({ offset: 0, units: 7 })
})
