import { describe, expect, test } from 'vitest'
import { parseOptions } from '../../../src/cli/options.ts'
import { createPrinter } from '../../../src/cli/printer.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import type { StreamEvent } from '../../../src/events/topics.ts'

const envelope = { v: 1, projectId: 'p', taskId: 't', at: 1, seq: 1 } as const
const printed = (...events: object[]): string => {
  let text = ''
  const printer = createPrinter(
    (piece) => {
      text += piece
    },
    { color: false },
  )
  for (const event of events) printer.print({ ...envelope, ...event } as StreamEvent)
  return text
}
const delta = (offset: number, text: string) => ({
  type: 'text.delta',
  messageId: 'm',
  partId: 'a',
  offset,
  delta: text,
})
const completed = (text: string, complete: boolean) => ({
  type: 'message.completed',
  messageId: 'm',
  role: 'assistant',
  complete,
  parts: [
    {
      partId: complete ? 'm:final' : 'a',
      type: 'text',
      text,
    },
  ],
})

describe('the printer', () => {
  test('writes each piece of text once, over repeats, holes and the closing event', () => {
    const text = printed(
      delta(0, 'Hel'),
      delta(0, 'Hel'),
      delta(3, 'lo'),
      delta(9, 'lost'),
      completed('Hello you', false),
    )
    expect(text).toBe('Hello you\n')
  })

  test('says that an answer broke off when some of it stood there, and else that the model is asked again', () => {
    const reset = { type: 'turn.reset', turn: 1, attempt: 2 }
    expect(printed(reset, delta(0, 'Hel'), reset, delta(0, 'Hello'), completed('Hello', false), reset)).toBe(
      [
        '  (the model is asked again)',
        'Hel',
        '  (the answer broke off; the model is asked again)',
        'Hello',
        '  (the model is asked again)',
        '',
      ].join('\n'),
    )
  })

  test('gives rounded amounts, says how to go on, and ticks nothing that was not brought to an end', () => {
    const diffStat = { files: 0, added: 0, removed: 0 }
    const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 }
    const message = 'The model is still reading the prompt (40 s).'
    expect(
      printed(
        { type: 'model.reading', message, waitedMs: 40_000, limitMs: 600_000 },
        { type: 'budget.warning', scope: 'day', kind: 'minutes', used: 97.318_457_1, limit: 120 },
        { type: 'budget.reached', scope: 'task', kind: 'usd', used: 0.498_123_456_7, limit: 0.5 },
        { type: 'task.completed', outcome: 'stuck', diffStat, usage, costUsd: null },
        { type: 'task.completed', outcome: 'no_changes', diffStat, usage, costUsd: 0.123_456_789 },
      ),
    ).toBe(
      [
        '  (The model is still reading the prompt (40 s).)',
        "! 97.3 of 120 minutes of the project's daily budget used",
        "! the task's budget is used up: $0.50 of $0.50",
        '  The task waits, nothing is lost; Ctrl-C ends it.',
        '  To go on: /budget 1 in another terminal, or raise it on the page.',
        '! ended: stuck, the agent did the same again and again; say what to try instead · 0 files +0 −0 · 2 tokens',
        '✔ completed: no changes · 0 files +0 −0 · 2 tokens · $0.1235\n',
      ].join('\n'),
    )
  })

  test('says beside an approval what no check has proved', () => {
    const end = { outcome: 'approved', diffStat: { files: 1, added: 1, removed: 0 }, costUsd: null }
    const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 }
    const gaps = { evidence: 'unverified', evidenceGaps: [{ name: 'test', reason: 'jest is not installed' }] }
    const check = { name: 'test', status: 'not_run', reason: 'jest is not installed', durationMs: 0 }
    expect(
      printed(
        { type: 'review.check', round: 1, check },
        { type: 'review.verdict', round: 1, verdict: 'approved', summary: 'Fine.', ...gaps },
        { type: 'task.completed', ...end, usage, ...gaps },
        { type: 'task.completed', ...end, usage, evidence: 'verified', evidenceGaps: [] },
      ),
    ).toBe(
      [
        '  check test: not_run (jest is not installed) · 0 ms',
        '◦ verdict: approved, unverified (test: jest is not installed) · Fine.',
        '✔ completed: approved, unverified (test: jest is not installed) · 1 file +1 −0 · 2 tokens',
        '✔ completed: approved · 1 file +1 −0 · 2 tokens\n',
      ].join('\n'),
    )
  })

  test('does not repeat the final message, and shows it when nothing was seen before', () => {
    expect(printed(completed('Done.', false), completed('Done.', true))).toBe('Done.\n')
    expect(printed(completed('Done.', true))).toBe('Done.\n')
  })

  test('shows a command with what it printed live and the rest at its end', () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64')
    const ids = { toolUseId: 'u', partId: 'u:output' }
    const text = printed(
      { type: 'tool.requested', ...ids, name: 'bash', input: { command: 'node --test' }, messageId: 'm' },
      { type: 'output', ...ids, offset: 0, stream: 'stdout', data: base64('one\n') },
      {
        type: 'command.finished',
        ...ids,
        status: 'exited',
        exitCode: 1,
        durationMs: 1500,
        truncated: false,
        bytes: 8,
        output: base64('one\ntwo\n'),
      },
    )
    expect(text).toBe('▸ bash node --test\none\ntwo\n  exit 1 · 1.5 s\n')
  })

  test('takes control sequences out of whatever others say', () => {
    const text = printed(
      delta(0, 'a\x1b[2'),
      delta(4, 'Jb'),
      {
        type: 'tool.requested',
        toolUseId: 'u',
        partId: 'x',
        name: 'bash\x1b[1m',
        input: { command: 'ls\x1b]0;t\x07' },
      },
      { type: 'file.changed', path: 'a\x1b[31m.js', kind: 'modify', added: 1, removed: 0, source: 'tool' },
    )
    expect(text).toBe('ab\n▸ bash ls\n  modify a.js +1 −0\n')
  })
})

describe('the arguments', () => {
  test('give a message and options, and nonsense is refused', () => {
    expect(parseOptions(['--json', 'Mend', 'it', '--model', 'claude-haiku-5-5'])).toEqual({
      message: 'Mend it',
      freshSample: false,
      newConversation: false,
      expectApproved: false,
      json: true,
      yes: false,
      model: 'claude-haiku-5-5',
    })
    expect(parseOptions(['--help'])).toBeNull()
    for (const words of [[], ['--what', 'x'], ['x', '--expect', 'luck'], ['x', '--sample', '--project', 'y']]) {
      expect(() => parseOptions(words)).toThrow(UsageError)
    }
  })
})
