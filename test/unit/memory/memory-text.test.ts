import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TaskRecord } from '../../../src/db/task/task-records.ts'
import { factsBlock, memoryFile, summariesBlock } from '../../../src/memory/memory-text.ts'
import { MAX_SUMMARY_TOKENS, summarizeTask } from '../../../src/memory/task-summary.ts'
import { estimateTokens } from '../../../src/shared/text/tokens.ts'

const record: TaskRecord = {
  taskId: 'tsk_1',
  status: 'completed',
  outcome: 'issues_remaining',
  reason: null,
  review: 'issues_remaining',
  stat: { files: 2, added: 12, removed: 3 },
  requests: [
    { text: 'Add a cart.\nWith tests.', turn: 1, isRefused: false },
    { text: 'Call it basket', turn: 3, isRefused: false },
  ],
  lastWords: 'The basket is there.\n\nTests pass.',
  files: [
    { path: 'src/basket.js', kind: 'create', added: 10, removed: 0 },
    { path: 'src/shop.js', kind: 'modify', added: 2, removed: 3 },
  ],
  checks: [
    { name: 'test', status: 'passed' },
    { name: 'lint', status: 'timed_out' },
  ],
  findings: [{ id: 'fnd_1', severity: 'blocking', file: 'src/shop.js', line: 3, claim: 'Rounds down', evidence: 'x' }],
}

describe('the summary of a task', () => {
  test('holds request, decisions, outcome, files, checks, open points and the last words', () => {
    expect(summarizeTask(record)).toEqual({
      taskId: 'tsk_1',
      name: 'Add a cart. With tests. (completed, issues remaining)',
      text: [
        'Request: Add a cart. With tests.',
        'Decisions of the user while it ran: “Call it basket”',
        'Outcome: completed, issues remaining',
        'Files: 2 changed, +12 −3: src/basket.js (create, +10 −0), src/shop.js (modify, +2 −3)',
        'Checks at the end: test passed, lint timed out',
        'Open points: [blocking] src/shop.js:3 Rounds down',
        'The agent’s last words: The basket is there. Tests pass.',
      ].join('\n'),
    })
  })

  test('says of a task that failed without a word why', () => {
    const failed: TaskRecord = {
      ...record,
      ...{ status: 'failed', outcome: null, reason: 'The model is away.', requests: [], lastWords: null },
      ...{ stat: { files: 0, added: 0, removed: 0 }, files: [], checks: [], findings: [] },
    }
    expect(summarizeTask(failed).text).toBe('Request: none\nOutcome: failed: The model is away.\nFiles: none changed')
  })

  test('holds no word of a message that the model refused, first or later', () => {
    const refused = { text: 'Something foul', turn: 1, isRefused: true }
    const first = summarizeTask({ ...record, requests: [refused] })
    const later = summarizeTask({ ...record, requests: [...record.requests, { ...refused, turn: 5 }] })
    expect(JSON.stringify([first, later])).not.toContain('foul')
    expect([first.text.split('\n')[0], later.text.split('\n')[1]]).toEqual([
      'Request: (a message that the model refused is left out here)',
      'Decisions of the user while it ran: “Call it basket”; “(a message that the model refused is left out here)”',
    ])
  })

  test('stays within its tokens whatever it is about', () => {
    const text = fc.oneof(fc.string({ maxLength: 3_000 }), fc.string({ maxLength: 3_000, unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), text, (requests, lastWords) => {
        const long: TaskRecord = {
          ...record,
          lastWords,
          requests: requests.map((one) => ({ text: one, turn: 1, isRefused: false })),
          files: Array.from({ length: 40 }, (_, n) => ({
            path: `${lastWords}${n}`,
            kind: 'modify',
            added: 1,
            removed: 0,
          })),
        }
        const summary = summarizeTask(long)
        expect(estimateTokens(summary.text)).toBeLessThanOrEqual(MAX_SUMMARY_TOKENS)
        expect(summary.name).not.toContain('\n')
      }),
      { numRuns: 200 },
    )
  })
})

describe('the blocks of the static prefix', () => {
  const facts = [{ id: 'f1', text: 'use tabs', createdAt: '2026-01-01T00:00:00.000Z' }]

  test('are left out when there is nothing to tell', () => {
    expect([factsBlock([]), summariesBlock([], { maxTokens: 100 })]).toEqual([null, null])
    expect(factsBlock(facts)).toBe('# What the user asked to remember\n\n- use tabs\n')
    expect(memoryFile([])).toContain('Nothing.')
  })

  test('tell the newest tasks in full, name those before, and count the rest', () => {
    const summaries = Array.from({ length: 300 }, (_, index) => ({
      taskId: `t${index}`,
      name: `Name ${index}`,
      text: `Request: ${'word '.repeat(100)}${index}`,
    }))
    const block = summariesBlock(summaries, { maxTokens: 2_000, firstNumber: 11 }) ?? ''
    expect(estimateTokens(block)).toBeLessThan(2_100)
    const full = [...block.matchAll(/^## Task (\d+)$/gm)].map((match) => Number(match[1]))
    const named = [...block.matchAll(/^- Task (\d+): /gm)].map((match) => Number(match[1]))
    const counted = Number(/- (\d+) older tasks/.exec(block)?.[1])
    expect([...named, ...full]).toEqual(Array.from({ length: 300 - counted }, (_, index) => 11 + counted + index))
    expect([full.length > 5, named.length > 20, counted > 100]).toEqual([true, true, true])
  })
})
