/** Small facts that processes leave for each other: workers that are alive, setup links that were used. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimSetupToken } from '../../../src/db/setup-tokens.ts'
import { aliveWorkers, retireWorker, touchWorker } from '../../../src/db/task/workers.ts'
import { createWorkers } from '../../../src/server/workers.ts'
import { aDb, type TestDb } from '../../support/database.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

const silentFor = (seconds: number, id: string) =>
  db.pool.query(`UPDATE workers SET last_seen_at = now() - $1 * interval '1 second' WHERE id = $2`, [seconds, id])

describe('workers', () => {
  /** What a server that has just begun to look says, with Temporal's list as given. */
  const seenBy = (temporal: 'polling' | 'none') =>
    createWorkers({ db, temporal: { workers: () => Promise.resolve(temporal) } })()

  test('count by their own word and Temporal’s together; while none ever spoke, by Temporal’s alone', async () => {
    const seen = [[await aliveWorkers(db, 8), await seenBy('polling'), await seenBy('none')]]
    await touchWorker(db, 'wrk_1')
    seen.push([await aliveWorkers(db, 8), await seenBy('polling'), await seenBy('none')])
    await silentFor(9, 'wrk_1')
    seen.push([await aliveWorkers(db, 8), await seenBy('polling')])
    await touchWorker(db, 'wrk_2')
    seen.push([await aliveWorkers(db, 8), await seenBy('polling')])
    await retireWorker(db, 'wrk_2')
    seen.push([await aliveWorkers(db, 8), await seenBy('polling')])
    expect(seen).toEqual([
      ['unknown', 'polling', 'none'],
      ['some', 'polling', 'none'],
      ['none', 'none'],
      ['some', 'polling'],
      ['none', 'none'],
    ])
  })

  test('that have been gone for days are forgotten', async () => {
    await touchWorker(db, 'wrk_old')
    await silentFor(2 * 86_400, 'wrk_old')
    await touchWorker(db, 'wrk_new')
    const { rows } = await db.pool.query(`SELECT id FROM workers WHERE id = ANY('{wrk_old,wrk_new}')`)
    expect(rows).toEqual([{ id: 'wrk_new' }])
  })
})

test('of fifty who use one setup link at the same time, one is let in', async () => {
  const claims = await Promise.all(Array.from({ length: 50 }, () => claimSetupToken(db, 'hash')))
  expect(claims.filter((isFirst) => isFirst)).toHaveLength(1)
})
