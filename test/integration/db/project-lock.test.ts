import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Db } from '../../../src/db/client.ts'
import { type HeldLock, TAKEN, whileRestoring, withSandboxLock } from '../../../src/db/project/project-lock.ts'
import { aDb } from '../../support/database.ts'
import { waitFor } from '../../support/wait-for.ts'

let db: Db
beforeAll(async () => {
  db = await aDb({ poolSize: 2 })
})
afterAll(() => db?.close())

const patient = { waitMs: 60_000 }
const locks = async (projectId: string) =>
  (await db.pool.query('SELECT kind FROM project_locks WHERE project_id = $1', [projectId])).rows

/** Somebody who holds a lock until `let go`. */
function aHolder(projectId: string) {
  let letGo = () => {}
  let held: HeldLock | undefined
  const done = withSandboxLock(
    db,
    projectId,
    (lock) => {
      held = lock
      return new Promise<void>((resolve) => {
        letGo = resolve
      })
    },
    patient,
  )
  return { done, letGo: () => letGo(), held: () => waitFor(() => held, 'the lock is held') }
}

test('twenty holders of different projects keep no connection of a pool of two', async () => {
  const holders = Array.from({ length: 20 }, (_, i) => aHolder(`prj_many_${i}`))
  for (const holder of holders) await holder.held()
  const { rows } = await db.pool.query('SELECT count(*)::int AS held FROM project_locks')
  for (const holder of holders) holder.letGo()
  await Promise.all(holders.map((holder) => holder.done))
  const after = await db.pool.query('SELECT count(*)::int AS held FROM project_locks')
  expect({ during: rows, after: after.rows }).toEqual({ during: [{ held: 20 }], after: [{ held: 0 }] })
})

test('a second one waits, is told in a true sentence when its patience ends, and comes in when the first is done', async () => {
  const first = aHolder('prj_two')
  await first.held()
  let waits = 0
  const impatient = withSandboxLock(db, 'prj_two', () => Promise.resolve('in'), {
    waitMs: 200,
    onWait: () => {
      waits += 1
    },
  })
  await expect(impatient).rejects.toMatchObject({
    code: 'sandbox_busy',
    retryable: true,
    message: 'The project’s files are still being brought in. Try again in a moment.',
  })
  const second = withSandboxLock(db, 'prj_two', () => Promise.resolve('in'), patient)
  first.letGo()
  expect({ second: await second, waited: waits > 0 }).toEqual({ second: 'in', waited: true })
})

test('what a killed process held is free when its lease has run out, not before', async () => {
  const leave = (projectId: string, inSeconds: number) =>
    db.pool.query(`INSERT INTO project_locks VALUES ($1, 'sandbox', 'killed', now() + $2 * interval '1 second')`, [
      projectId,
      inSeconds,
    ])
  await leave('prj_killed', -0.001)
  await leave('prj_alive', 3_600)
  const enter = (projectId: string) => withSandboxLock(db, projectId, () => Promise.resolve('in'), { waitMs: 0 })
  await db.pool.query(`INSERT INTO project_locks VALUES ('prj_died', 'restore', 'killed', now() + interval '1 second')`)
  const afterDeath = await whileRestoring(db, 'prj_died', () => Promise.resolve('in'))
  const entered = await Promise.allSettled([enter('prj_killed'), enter('prj_alive')])
  expect(afterDeath).toBe('in')
  expect(entered).toMatchObject([{ value: 'in' }, { reason: { code: 'sandbox_busy' } }])
})

test('one that slept while somebody else took over is told so, and does not give the other’s lock away', async () => {
  const sleeper = aHolder('prj_slept')
  const held = await sleeper.held()
  held.check()
  await db.pool.query(`UPDATE project_locks SET owner = 'other' WHERE project_id = 'prj_slept'`)
  await waitFor(() => isLost(held), 'the sleeper has noticed')
  sleeper.letGo()
  await sleeper.done
  expect(await locks('prj_slept')).toEqual([{ kind: 'sandbox' }])
})

test('a project that is being restored is taken for others while its holder lives, and free when the restore failed', async () => {
  const answers: unknown[] = []
  const failing = whileRestoring(db, 'prj_restore', async () => {
    answers.push(await whileRestoring(db, 'prj_restore', () => Promise.resolve('in')))
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  answers.push(await whileRestoring(db, 'prj_restore', () => Promise.resolve('in')))
  expect(answers).toEqual([TAKEN, 'in'])
})

function isLost(held: HeldLock): boolean {
  try {
    held.check()
    return false
  } catch {
    return true
  }
}
