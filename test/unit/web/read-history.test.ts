import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ApiMessage, Page } from '../../../src/web/api/types.ts'
import { messageFromApi } from '../../../src/web/store/from-api.ts'
import { type HistoryPart, readHistory } from '../../../src/web/store/read-history.ts'

const aMessage = (index: number, status: ApiMessage['status'] = 'completed'): ApiMessage => ({
  id: `m${index}`,
  conversationId: 'c',
  taskId: 't',
  role: 'user',
  text: `${index}`,
  status,
  createdAt: '2026-01-01T00:00:01.000Z',
  parts: [{ type: 'text', text: `${index}` }],
})

/** The server's list, newest first; `onPage` runs before each page is read. */
function aList(messages: () => readonly ApiMessage[], limit: number, onPage = () => {}) {
  const reads = { count: 0 }
  const read = async (after: string | undefined): Promise<Page<ApiMessage>> => {
    reads.count++
    onPage()
    const newest = messages().toReversed()
    const begin = after === undefined ? 0 : newest.findIndex(({ id }) => id === after) + 1
    const items = newest.slice(begin, begin + limit)
    return { items, nextAfter: begin + limit < newest.length ? (items.at(-1)?.id ?? null) : null }
  }
  return { read, reads }
}

const NOTHING: HistoryPart = { value: [], isWhole: false }
const idsOf = (messages: readonly { readonly id: string }[]) => messages.map(({ id }) => id)
const views = (messages: readonly ApiMessage[]) => messages.map(messageFromApi)

describe('a conversation read from its end', () => {
  test('is told in parts without a hole, each holding the one before, and ends whole as the database has it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ count: fc.nat(60), limit: fc.integer({ min: 1, max: 20 }), comeIn: fc.array(fc.nat(3)) }),
        fc.record({ from: fc.nat(60), to: fc.nat(60), isStale: fc.boolean() }),
        async ({ count, limit, comeIn }, { from, to, isStale }) => {
          const messages = Array.from({ length: count }, (_, index) => aMessage(index))
          // What an earlier reading left: a piece without holes, whole when it begins at the first message.
          const left = messages.slice(Math.min(from, to), Math.max(from, to))
          const old = isStale ? left.map((message) => ({ ...message, status: 'queued' as const })) : left
          const known = { value: views(old), isWhole: Math.min(from, to) === 0 && left.length > 0 }
          const atStart = [...messages]
          const { read } = aList(
            () => messages,
            limit,
            () => {
              for (let more = comeIn.shift() ?? 0; more > 0; more--) messages.push(aMessage(messages.length))
            },
          )
          const parts: HistoryPart[] = []
          await readHistory(known, read, (part) => parts.push(part))
          const last = parts.at(-1)
          expect(last?.isWhole).toBe(true)
          const end = last?.value.length ?? 0
          expect(end).toBeGreaterThanOrEqual(atStart.length)
          expect(last?.value).toEqual(views(messages.slice(0, end)))
          for (const [index, { value }] of parts.entries()) {
            expect(idsOf(value)).toEqual(idsOf(messages.slice(end - value.length, end)))
            expect(value.length).toBeGreaterThanOrEqual(parts[index - 1]?.value.length ?? 0)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('is told after one page, and what is known and settled is not read again', async () => {
    const messages = Array.from({ length: 1_000 }, (_, index) => aMessage(index))
    const list = aList(() => messages, 200)
    const parts: HistoryPart[] = []
    await readHistory(NOTHING, list.read, (part) => parts.push(part))
    expect(parts.map(({ value }) => [value[0]?.id, value.at(-1)?.id])).toEqual([
      ['m800', 'm999'],
      ['m600', 'm999'],
      ['m400', 'm999'],
      ['m200', 'm999'],
      ['m0', 'm999'],
    ])
    const known = parts.at(-1) ?? NOTHING
    const again = aList(() => [...messages, aMessage(1_000)], 200)
    await readHistory(known, again.read, (part) => parts.push(part))
    expect([again.reads.count, parts.at(-1)?.value.length]).toEqual([1, 1_001])
    const half = aList(() => messages, 200)
    await readHistory({ value: known.value.slice(300), isWhole: false }, half.read, (part) => parts.push(part))
    expect([half.reads.count, parts.at(-1)?.value]).toEqual([3, known.value])
  })

  test('that cannot be read further keeps what was told', async () => {
    const messages = Array.from({ length: 5 }, (_, index) => aMessage(index))
    const { read } = aList(() => messages, 2)
    const parts: HistoryPart[] = []
    const failing = (after: string | undefined) =>
      after === undefined ? read(after) : Promise.reject(new Error('away'))
    await expect(readHistory(NOTHING, failing, (part) => parts.push(part))).rejects.toThrow('away')
    expect(parts.map(({ value, isWhole }) => [idsOf(value), isWhole])).toEqual([[['m3', 'm4'], false]])
  })
})
