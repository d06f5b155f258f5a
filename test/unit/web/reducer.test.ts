import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StreamEvent } from '../../../src/events/topics.ts'
import { NO_DIFF, NO_USAGE } from '../../../src/shared/task.ts'
import { outputText } from '../../../src/web/bytes.ts'
import { apply, initialViewState } from '../../../src/web/reducer.ts'
import type { ViewState } from '../../../src/web/state.ts'

type Durable = Extract<StreamEvent, { seq: number }>
type Delta = Extract<StreamEvent, { offset: number }>

const review = {
  status: 'approved',
  round: 1,
  fixRounds: 0,
  maxFixRounds: 2,
  verdict: 'approved',
  treeHash: 'h',
  findings: {
    open: 0,
    resolved: 0,
  },
  history: [],
} as const
const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0 }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A whole task as a stream would bring it: two turns of the coder with a command and an edit, a review, the end. */
function aTaskStream(): StreamEvent[] {
  const events: StreamEvent[] = []
  let seq = 0
  const envelope = { v: 1, projectId: 'p', conversationId: 'c', taskId: 't', at: 1_000 } as const
  const add = (type: Durable['type'], payload: object, turn?: number): void => {
    events.push({ ...envelope, ...(turn && { turn }), type, seq: ++seq, ...payload } as unknown as Durable)
  }
  const deltas = (type: Delta['type'], turn: number, rest: object, text: string, size = 3): void => {
    for (let offset = 0; offset < text.length; offset += size) {
      const piece = text.slice(offset, offset + size)
      const body = type === 'output' ? { stream: 'stdout', data: base64(piece) } : { delta: piece }
      events.push({ ...envelope, turn, type, offset, ...rest, ...body } as unknown as Delta)
    }
  }

  add('task.accepted', { messageId: 'm1', joined: false })
  add('message.created', { messageId: 'm1', role: 'user', text: 'Mend it', clientMessageId: 'x' })
  add('task.started', { workflowId: 'w', model: 'claude-haiku-4-5' })
  add('sandbox.starting', { provider: 'local-bwrap' })
  add('sandbox.ready', { provider: 'local-bwrap', durationMs: 5, reused: false })
  add('context.generated', { hash: 'k', tokens: 900, forced: false, durationMs: 5 })
  add('message.claimed', { messageId: 'm1' }, 1)
  add('turn.started', { role: 'coder' }, 1)
  add('message.created', { messageId: 'm2', role: 'assistant', text: '' }, 1)
  deltas('text.delta', 1, { messageId: 'm2', partId: 'a0' }, 'A broken sta')
  add('turn.reset', { attempt: 2 }, 1)
  deltas('thinking.delta', 1, { messageId: 'm2', partId: 'a1' }, 'Think first.')
  deltas('text.delta', 1, { messageId: 'm2', partId: 'a2' }, 'I run the tests.')
  deltas('tool.input_delta', 1, { messageId: 'm2', toolUseId: 'u1', partId: 'a3' }, '{"command":"node --test"}')
  const parts = [
    { partId: 'a1', type: 'thinking', text: 'Think first.' },
    { partId: 'a2', type: 'text', text: 'I run the tests.' },
  ]
  add('message.completed', { messageId: 'm2', role: 'assistant', parts, complete: false }, 1)
  add(
    'tool.requested',
    { toolUseId: 'u1', partId: 'a3', name: 'bash', input: { command: 'node --test' }, messageId: 'm2' },
    1,
  )
  add('tool.started', { toolUseId: 'u1', name: 'bash' }, 1)
  add('command.started', { toolUseId: 'u1', partId: 'u1:output', command: 'node --test', cwd: '.' }, 1)
  deltas('output', 1, { toolUseId: 'u1', partId: 'u1:output' }, 'not ok 1 - adds')
  add('message.created', { messageId: 'm3', role: 'user', text: 'and fast' })
  add('message.queued', { messageId: 'm3', delivery: 'steer' })
  add(
    'command.finished',
    {
      toolUseId: 'u1',
      partId: 'u1:output',
      status: 'exited',
      exitCode: 1,
      durationMs: 20,
      truncated: false,
      bytes: 15,
      output: base64('not ok 1 - adds'),
    },
    1,
  )
  add('tool.finished', { toolUseId: 'u1', name: 'bash', result: 'not ok', isError: false, durationMs: 21 }, 1)
  add(
    'turn.finished',
    { role: 'coder', stopReason: 'tool_use', usage, costUsd: 0.1, firstTokenMs: 1, durationMs: 2 },
    1,
  )
  add('message.claimed', { messageId: 'm3' }, 2)
  add('turn.started', { role: 'coder' }, 2)
  deltas('text.delta', 2, { messageId: 'm4', partId: 'b1' }, 'Done: mended.')
  add('file.changed', { path: 'a.js', kind: 'modify', added: 2, removed: 1, source: 'tool' }, 2)
  add(
    'message.completed',
    {
      messageId: 'm4',
      role: 'assistant',
      complete: false,
      parts: [
        {
          partId: 'b1',
          type: 'text',
          text: 'Done: mended.',
        },
      ],
    },
    2,
  )
  add(
    'turn.finished',
    { role: 'coder', stopReason: 'end_turn', usage, costUsd: 0.1, firstTokenMs: 1, durationMs: 2 },
    2,
  )
  add(
    'checkpoint.created',
    { checkpointId: 'k1', treeHash: 'h', label: 'turn 2', stat: { files: 1, added: 2, removed: 1 } },
    2,
  )
  add('review.started', { round: 1, treeHash: 'h', checks: ['test'] })
  add('turn.started', { role: 'reviewer' }, 3)
  deltas('text.delta', 3, { messageId: 'm5', partId: 'c1' }, 'Looks right to me.')
  add('tool.requested', { toolUseId: 'u2', partId: 'c2', name: 'submit_review', input: {}, messageId: 'm5' }, 3)
  add(
    'turn.finished',
    { role: 'reviewer', stopReason: 'tool_use', usage, costUsd: 0.1, firstTokenMs: 1, durationMs: 2 },
    3,
  )
  add('review.verdict', { round: 1, verdict: 'approved', summary: 'Fine.', treeHash: 'h', review })
  add(
    'message.completed',
    {
      messageId: 'm4',
      role: 'assistant',
      complete: true,
      message: 'Done: mended.',
      timestamp: 1,
      parts: [
        {
          partId: 'm4:final',
          type: 'text',
          text: 'Done: mended.',
        },
      ],
    },
    2,
  )
  const end = { outcome: 'approved', review, usage: NO_USAGE, costUsd: 0.3, diffStat: NO_DIFF }
  add('task.completed', end)
  return events
}

const fold = (events: readonly StreamEvent[], from: ViewState = initialViewState()): ViewState =>
  events.reduce(apply, from)
const shown = (state: ViewState): ViewState => ({ ...state, closedParts: [] })
const isDurable = (event: StreamEvent): event is Durable => 'seq' in event

function durableOf(seq: number, type: Durable['type'], payload: object): Durable {
  const envelope = { v: 1, projectId: 'p', conversationId: 'c', taskId: 't', at: 1_000 }
  return { ...envelope, type, seq, ...payload } as unknown as Durable
}

function lastOf(events: readonly StreamEvent[]): Durable {
  const last = events.findLast(isDurable)
  if (last === undefined) throw new Error('no durable event')
  return last
}

/** What a reader gets that comes back with a cursor: the durable events after it and the parts open then, from offset 0. */
function rejoin(events: readonly StreamEvent[], at: number, cursor: number): StreamEvent[] {
  const before = events.slice(0, at)
  const closed = before.findLastIndex((event) => isDurable(event))
  const missed = before.filter((event) => isDurable(event) && event.seq > cursor)
  return [...missed, ...before.slice(closed + 1)]
}

describe('the reducer', () => {
  test('ends in the same state however often a reader loses its connection, sees events twice or joins late', () => {
    const events = aTaskStream()
    const expected = shown(fold(events))
    const seqs = events.filter(isDurable).length
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(events.length), fc.nat(seqs)), { maxLength: 8 }),
        fc.array(fc.nat(events.length - 1), { maxLength: 20 }),
        fc.integer({ min: 0, max: events.length }),
        (breaks, repeats, joinsAt) => {
          // Joins late: nothing live until `joinsAt`, then what a rejoin brings.
          let state = fold(rejoin(events, joinsAt, 0))
          for (let at = joinsAt; at < events.length; at++) {
            for (const [breakAt, back] of breaks) {
              if (breakAt === at) state = fold(rejoin(events, at, Math.max(0, state.lastSeq - back)), state)
            }
            for (const repeat of repeats) {
              const event = events[repeat]
              if (event !== undefined && repeat < at && isDurable(event)) state = apply(state, event)
            }
            const event = events[at]
            if (event !== undefined) state = apply(apply(state, event), event)
          }
          expect(shown(state)).toEqual(expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('shows what the task did', () => {
    const { messages, tasks } = fold(aTaskStream())
    const task = tasks['t']
    expect(
      messages.map(({ id, role, author, status, isFinal, parts }) => ({
        id,
        role,
        author,
        status,
        isFinal,
        parts: parts.map((part) =>
          part.type === 'tool' ? `${part.name}:${part.status}` : `${part.type}:${part.text}`,
        ),
      })),
    ).toEqual([
      { id: 'm1', role: 'user', author: 'coder', status: 'completed', isFinal: false, parts: ['text:Mend it'] },
      {
        id: 'm2',
        role: 'assistant',
        author: 'coder',
        status: 'completed',
        isFinal: false,
        parts: ['thinking:Think first.', 'text:I run the tests.', 'bash:finished'],
      },
      { id: 'm3', role: 'user', author: 'coder', status: 'completed', isFinal: false, parts: ['text:and fast'] },
      {
        id: 'm4',
        role: 'assistant',
        author: 'coder',
        status: 'completed',
        isFinal: true,
        parts: ['text:Done: mended.'],
      },
      {
        id: 'm5',
        role: 'assistant',
        author: 'reviewer',
        status: 'completed',
        isFinal: false,
        parts: ['submit_review:requested'],
      },
    ])
    expect(task?.commands.map((command) => ({ exit: command.exitCode, text: outputText(command) }))).toEqual([
      { exit: 1, text: 'not ok 1 - adds' },
    ])
    expect({
      status: task?.status,
      phase: task?.phase,
      outcome: task?.outcome,
      files: task?.files.map((file) => file.path),
    }).toEqual({
      status: 'completed',
      phase: 'done',
      outcome: 'approved',
      files: ['a.js'],
    })
  })

  test('a repeated durable event changes nothing, not even an identity', () => {
    const events = aTaskStream()
    const state = fold(events)
    for (const event of events.filter(isDurable)) expect(apply(state, event)).toBe(state)
  })

  test('text grows while it streams, a hole asks for a fetch, and the closing event heals it', () => {
    const events = aTaskStream()
    const first = events.findIndex((event) => 'partId' in event && event.partId === 'a2')
    const half = fold(events.slice(0, first + 2))
    expect(half.messages.find(({ id }) => id === 'm2')?.parts.at(-1)).toMatchObject({ text: 'I run ', isOpen: true })
    const holed = fold(events.slice(first + 3, first + 4), half)
    expect(holed.needsRefetch).toBe(true)
    expect(fold(events.slice(first + 4), holed).needsRefetch).toBe(false)
  })

  test('a queued message that was taken back is cancelled, and stays so when the task is done', () => {
    const stream = [
      ...aTaskStream().slice(0, 3),
      durableOf(4, 'message.created', { messageId: 'm9', role: 'user', text: 'and this' }),
      durableOf(5, 'message.queued', { messageId: 'm9', delivery: 'queue' }),
      durableOf(6, 'message.withdrawn', { messageId: 'm9' }),
      { ...lastOf(aTaskStream()), seq: 7 },
    ]
    const statuses = [5, 6, 7].map(
      (count) => fold(stream.slice(0, count)).messages.find(({ id }) => id === 'm9')?.status,
    )
    expect(statuses).toEqual(['queued', 'cancelled', 'cancelled'])
  })

  test('earlier findings stand as the verdict says; where an old one says nothing, an approval mends what blocked', () => {
    const finding = (id: string, severity: string) =>
      durableOf(id === 'f1' ? 2 : id === 'f2' ? 3 : 4, 'review.finding', {
        round: 1,
        finding: { id, severity, claim: 'x', evidence: 'y', file: 'a.js', state: 'open' },
      })
    const rounds = [
      durableOf(1, 'review.started', { round: 1, treeHash: 'h', checks: [] }),
      ...[finding('f1', 'blocking'), finding('f2', 'note'), finding('f3', 'blocking')],
      durableOf(5, 'review.started', { round: 2, treeHash: 'h', checks: [] }),
    ]
    const after = (verdict: string, findings?: object) => {
      const payload = { round: 2, verdict, summary: '', treeHash: 'h', review, ...(findings && { findings }) }
      const task = fold([...rounds, durableOf(6, 'review.verdict', payload)]).tasks['t']
      return task?.rounds[0]?.findings.map(({ state }) => state)
    }
    const told = [
      { id: 'f1', state: 'fixed' },
      { id: 'f2', state: 'dismissed' },
      { id: 'f3', state: 'open' },
    ]
    expect({
      told: after('issues_found', told),
      none: after('approved', []),
      old: after('approved'),
      oldIssues: after('issues_found'),
    }).toEqual({
      told: ['fixed', 'dismissed', 'open'],
      none: ['open', 'open', 'open'],
      old: ['fixed', 'open', 'fixed'],
      oldIssues: ['open', 'open', 'open'],
    })
  })
})
