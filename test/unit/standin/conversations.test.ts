import { describe, expect, test } from 'vitest'
import { profileFor } from '../../../src/model/profiles.ts'
import { ConversationLog } from '../../../src/standin/conversations.ts'
import { walkPrefix } from '../../../src/standin/prefix.ts'
import type { WireBlock, WireMessage, WireRequest } from '../../../src/standin/wire.ts'

const profile = profileFor('claude-haiku-4-5', { compat: false })
const text = (value: string): WireBlock => ({ type: 'text', text: value })
const user = (...texts: string[]): WireMessage => ({ role: 'user', content: texts.map(text) })
const says = (value: string): WireMessage => ({ role: 'assistant', content: [text(value)] })
const calls = (id: string): WireMessage => ({
  role: 'assistant',
  content: [{ type: 'tool_use', id, name: 'bash', input: {} }],
})
const answers = (id: string, ...texts: string[]): WireMessage => ({
  role: 'user',
  content: [{ type: 'tool_result', tool_use_id: id, content: 'ok' }, ...texts.map(text)],
})

/** Sends histories one after the other in one conversation; says of each whether it was taken. */
function taken(histories: readonly (readonly WireMessage[])[], more: Partial<WireRequest>[] = []): boolean[] {
  const log = new ConversationLog()
  return histories.map((messages, index) => {
    const request = { model: profile.model, max_tokens: 1, metadata: { user_id: 'tsk' }, messages, ...more[index] }
    try {
      log.take(request, walkPrefix(request, profile))
      return true
    } catch {
      return false
    }
  })
}

const base = [user('task'), calls('t1'), answers('t1')]

describe('a history', () => {
  test('may grow, be repeated, and fall back to an earlier turn', () => {
    const grown = [...base, says('b'), user('go on')]
    expect(taken([[user('task')], base, base, grown, base, [user('task')], grown])).toEqual(Array(7).fill(true))
  })

  test('may get text at its open end', () => {
    expect(taken([base, [user('task'), calls('t1'), answers('t1', 'faster')]])).toEqual([true, true])
  })

  test.each([
    ['an earlier reply', [user('task'), calls('t2'), answers('t2')]],
    [
      'an earlier result',
      [user('task'), calls('t1'), answers('t1', 'inserted'), says('b'), user('c'), says('d'), user('e')],
    ],
    ['the first message', [user('other task'), calls('t1'), answers('t1')]],
    ['a message in the middle, by leaving it out', [user('task'), says('b'), user('go on')]],
  ])('may not change %s', (_, edited) => {
    const sent = [...base, says('b'), user('c')]
    expect(taken([sent, edited])).toEqual([true, false])
  })

  test('may differ under another system prompt, another user id, or none', () => {
    const other = [user('other task'), calls('t1'), answers('t1')]
    expect(taken([base, other], [{}, { system: 'new' }])).toEqual([true, true])
    expect(taken([base, other], [{}, { metadata: { user_id: 'tsk_2' } }])).toEqual([true, true])
    expect(taken([base, other], [{}, { metadata: {} }])).toEqual([true, true])
  })

  test('may start again from a summary', () => {
    expect(taken([base, [user('A summary of all that was done.')]])).toEqual([true, true])
  })
})
