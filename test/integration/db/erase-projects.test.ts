import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERASED_BY_PROJECT, eraseDeletedProjects } from '../../../src/db/project/erase-projects.ts'
import { createProject, deleteProject } from '../../../src/db/project/projects.ts'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aRunningTask, type RunningTask } from '../../support/tasks.ts'

let db: TestDb

beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

/** A project in which the word stands wherever a text can stand, with its task ended. */
async function aTalkativeProject(word: string): Promise<RunningTask> {
  const source = { kind: 'files' as const, files: { [`${word}.txt`]: word } }
  const { id: projectId } = await createProject(db, { name: word, source, sandboxProvider: 'local-bwrap' })
  const task = await aRunningTask(db, { projectId, text: word })
  const { taskId, conversationId } = task
  const add = async (text: string, values: unknown[]) => void (await db.pool.query(text, values))
  await add(
    `INSERT INTO turns (task_id, turn, lane, message_id, user_content, reply_content, input_tokens, cost_usd)
     VALUES ($1, 1, 'coder', 'msg', $2, $2, 7, 0.5)`,
    [taskId, JSON.stringify([word])],
  )
  await add(
    `INSERT INTO tool_calls (task_id, tool_use_id, turn, ordinal, lane, name, input, status, effect, result)
     VALUES ($1, 'u', 1, 0, 'coder', 'bash', $2, 'finished', $2, $2)`,
    [taskId, JSON.stringify(word)],
  )
  await add(`INSERT INTO notices (id, task_id, lane, key, text) VALUES ($1, $1, 'coder', 'k', $2)`, [taskId, word])
  await add(
    `INSERT INTO checkpoints (id, project_id, task_id, turn, tree_hash, label, files, added, removed)
     VALUES ($1, $2, $1, 1, 'tree', $3, 1, 2, 3)`,
    [taskId, projectId, word],
  )
  await add(
    `INSERT INTO findings (id, task_id, project_id, round, severity, claim, evidence, state)
     VALUES ($1, $1, $2, 1, 'note', $3, $3, 'open')`,
    [taskId, projectId, word],
  )
  await add(`INSERT INTO review_rounds (task_id, round, tree_hash, checks, summary) VALUES ($1, 1, 'tree', $2, $2)`, [
    taskId,
    JSON.stringify(word),
  ])
  await add(`UPDATE conversations SET title = $2 WHERE id = $1`, [conversationId, word])
  await closeTask(task.attempt, { kind: 'failed', reason: { code: 'internal', message: word } })
  return task
}

/** Tables in which the word stands anywhere. */
async function tablesWith(word: string): Promise<string[]> {
  const { rows } = await db.pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1`,
  )
  const found: string[] = []
  for (const { name } of rows) {
    const hits = await db.pool.query(`SELECT 1 FROM "${name}" t WHERE to_jsonb(t)::text LIKE $1 LIMIT 1`, [`%${word}%`])
    if (hits.rows.length > 0) found.push(name)
  }
  return found
}

const deletedLongAgo = async (projectId: string) => {
  await deleteProject(db, projectId)
  await db.pool.query(`UPDATE projects SET deleted_at = now() - interval '40 days' WHERE id = $1`, [projectId])
}

test('of a project deleted long ago no text stays, while its figures and every other project do', async () => {
  const gone = await aTalkativeProject('Xyloglot')
  const recent = await aTalkativeProject('Quasimetric')
  await deletedLongAgo(gone.projectId)
  await deleteProject(db, recent.projectId)
  const before = await tablesWith('Quasimetric')
  expect((await tablesWith('Xyloglot')).length).toBeGreaterThan(8)
  expect([await eraseDeletedProjects(db, 30), await eraseDeletedProjects(db, 30)]).toEqual([1, 0])
  expect([await tablesWith('Xyloglot'), await tablesWith('Quasimetric')]).toEqual([[], before])
  const { rows } = await db.pool.query(
    `SELECT u.input_tokens, u.cost_usd, c.name, k.added FROM turns u JOIN tool_calls c USING (task_id)
       JOIN checkpoints k USING (task_id) WHERE task_id = $1`,
    [gone.taskId],
  )
  expect(rows).toEqual([{ input_tokens: 7, cost_usd: 0.5, name: 'bash', added: 2 }])
})

test('what a fork in another project still tells, or a sandbox that is not gone yet, keeps a deleted project', async () => {
  const told = await aTalkativeProject('Ombrophile')
  const teller = await aTalkativeProject('Teller')
  await db.pool.query(`INSERT INTO inherited_tasks (conversation_id, position, task_id) VALUES ($1, 1, $2)`, [
    teller.conversationId,
    told.taskId,
  ])
  await deletedLongAgo(told.projectId)
  expect(await eraseDeletedProjects(db, 30)).toBe(0)
  await deletedLongAgo(teller.projectId)
  expect(await eraseDeletedProjects(db, 30)).toBe(2)
  expect(await tablesWith('Ombrophile')).toEqual([])
})

test('every table that names a project is either erased with it or known to keep figures only', async () => {
  const { rows } = await db.pool.query<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'project_id'",
  )
  const kept = ['budget_waits', 'checkpoints', 'conversations', 'findings', 'sandboxes', 'tasks']
  expect(rows.map(({ name }) => name).sort()).toEqual([...ERASED_BY_PROJECT, ...kept].sort())
})
