import { describe, expect, test } from 'vitest'
import { toDbError } from '../../../src/db/client.ts'
import { toPage } from '../../../src/db/project/projects.ts'
import { conversationTitle } from '../../../src/db/task/accept-message.ts'
import { AppError } from '../../../src/shared/errors.ts'

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code })

describe('toDbError', () => {
  test.each([
    ['connection refused', withCode('ECONNREFUSED')],
    ['connection reset', withCode('ECONNRESET')],
    ['admin shutdown', withCode('57P01')],
    ['crash shutdown', withCode('57P02')],
    ['cannot connect now', withCode('57P03')],
    ['too many connections', withCode('53300')],
    ['disk full', withCode('53100')],
    ['connection failure', withCode('08006')],
    ['statement timeout', withCode('57014')],
    ['lock timeout', withCode('55P03')],
    ['idle in transaction', withCode('25P03')],
    ['deadlock', withCode('40P01')],
    ['no free connection', new Error('timeout exceeded when trying to connect')],
    ['lost while asking', new Error('Connection terminated unexpectedly')],
    ['no answer', new Error('Query read timeout')],
    ['prisma cannot connect', withCode('P1001')],
  ])('%s means that the store is away, and that trying again helps', (_, error) => {
    const mapped = toDbError(error)
    expect(mapped).toBeInstanceOf(AppError)
    expect(mapped).toMatchObject({ code: 'store_unavailable', retryable: true, cause: error, retryAfterMs: 2_000 })
  })

  test.each([
    ['a broken constraint', withCode('23505')],
    ['a bad byte', withCode('22021')],
    ['a syntax error', withCode('42601')],
    ['our own error', new AppError('lease_lost', 'x')],
    ['something that is no error', 'text'],
  ])('%s is a defect and stays what it is', (_, error) => {
    expect(toDbError(error)).toBe(error)
  })
})

describe('titleOf', () => {
  test('is the first line, cut at 80 characters and never within one', () => {
    expect([
      conversationTitle('  Fix it\nplease'),
      conversationTitle('é'.repeat(80)),
      conversationTitle('🙂'.repeat(81)),
    ]).toEqual(['Fix it', 'é'.repeat(80), `${'🙂'.repeat(79)}…`])
  })
})

test('a page is followed only when there is more', () => {
  const cursor = (item: number) => `c${item}`
  expect([toPage([1, 2, 3], 2, cursor), toPage([1, 2], 2, cursor), toPage([], 2, cursor)]).toEqual([
    { items: [1, 2], nextAfter: 'c2' },
    { items: [1, 2], nextAfter: null },
    { items: [], nextAfter: null },
  ])
})
