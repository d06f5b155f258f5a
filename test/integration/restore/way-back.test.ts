import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getTask } from '../../../src/db/task/tasks.ts'
import { getCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import { noteChecked, prunableSandboxes } from '../../../src/db/workspace/prune-checkpoints.ts'
import { restoresToTell } from '../../../src/db/workspace/restores.ts'
import { restoreNotices } from '../../../src/restore/restore-notices.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject, framesOf, post } from '../../support/tasks.ts'
import { aServer, type TestServer, TOKEN } from '../server/harness.ts'
import { aDoneTask, filesOf, type Parts, partsOf } from './support.ts'

const DYING = fileURLToPath(new URL('./dying-server.ts', import.meta.url))
const FIRST = { 'a.txt': 'a1\n', 'sub/b.txt': 'b1\n' }
const SECOND = { 'a.txt': 'a2\n', 'sub/b.txt': null, 'c.txt': 'c2\n' }

let db: TestDb
let dir: string
let parts: Parts
let server: TestServer
let kicks = 0

beforeAll(async () => {
  db = await aDb()
  dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-restore-')))
  parts = partsOf(db, dir, () => kicks++)
  const redisUrl = process.env['KEELSON_TEST_REDIS_URL'] ?? ''
  const { workspaces, restorer } = parts
  server = await aServer({ databaseUrl: db.url, redisUrl, deps: { workspaces, restorer } })
})
afterAll(async () => {
  await server?.close()
  await parts?.close()
  await db?.close()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

interface Answer<T> {
  readonly status: number
  readonly body: T & { readonly error: { code: string; message: string; retryable?: boolean; details?: object } }
}

async function call<T = Record<string, unknown>>(method: string, path: string, body?: object): Promise<Answer<T>> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', accept: 'application/json' }
  const content = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(`${server.url}${path}`, { method, headers, ...content })
  return { status: response.status, body: (await response.json()) as Answer<T>['body'] }
}

interface ShownCheckpoint {
  readonly id: string
  readonly taskId: string | null
  readonly treeHash: string
  readonly label: string
}
type Restored = { checkpoint: ShownCheckpoint }

const restore = (id: string, body: object = {}) => call<Restored>('POST', `/api/checkpoints/${id}/restore`, body)
const undo = (taskId: string) => call<Restored>('POST', `/api/tasks/${taskId}/undo`, {})
const files = async (projectId: string) => filesOf(await parts.workspaces.open(projectId))
const at = <T>(items: readonly T[], index: number): T => {
  const item = items.at(index)
  if (item === undefined) throw new Error(`there is no item ${index}`)
  return item
}

/** A project of one task with two turns: three checkpoints. */
async function aHistory() {
  const projectId = await aProject(db, { kind: 'files', files: { 'kept.txt': 'kept\n' } })
  const task = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [FIRST, SECOND])
  return { projectId, ...task }
}

const AFTER_FIRST = { 'kept.txt': 'kept\n', 'a.txt': 'a1\n', 'sub/b.txt': 'b1\n' }
const AFTER_SECOND = { 'kept.txt': 'kept\n', 'a.txt': 'a2\n', 'c.txt': 'c2\n' }

describe('checkpoints', () => {
  test('there is one before the first turn and one after each turn that changed files, labelled by what was done', async () => {
    const { projectId, checkpoints, taskId } = await aHistory()
    const listed = await call<{ items: ShownCheckpoint[]; nextAfter: string | null }>(
      'GET',
      `/api/workspace/${projectId}/checkpoints?limit=2`,
    )
    const rest = await call<{ items: ShownCheckpoint[]; nextAfter: string | null }>(
      'GET',
      `/api/workspace/${projectId}/checkpoints?limit=2&after=${listed.body.nextAfter}`,
    )
    expect([...listed.body.items, ...rest.body.items]).toEqual(
      checkpoints.map(({ id, turn, treeHash, label, stat, createdAt }) => {
        return { id, taskId, turn, treeHash, label, stat, createdAt: createdAt.toISOString() }
      }),
    )
    expect(checkpoints.map(({ turn, label, stat }) => [turn, label, stat])).toEqual([
      [0, 'before', { files: 0, added: 0, removed: 0 }],
      [1, 'turn 1: step 1', { files: 2, added: 2, removed: 0 }],
      [2, 'turn 2: step 2', { files: 2, added: 2, removed: 0 }],
    ])
    expect(rest.body.nextAfter).toBeNull()
  })

  test('any two of a project can be compared, those of another project are not found', async () => {
    const { projectId, conversationId, taskId, checkpoints } = await aHistory()
    const later = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [{ 'd.txt': 'd\n' }], conversationId)
    const from = at(checkpoints, 1).id
    const to = at(later.checkpoints, -1).id
    const other = await aHistory()
    const ask = (path: string) => call<{ files: { path: string; kind: string }[]; patch: string }>('GET', path)
    const across = await ask(`/api/tasks/${taskId}/diff?from=${from}&to=${to}`)
    const backwards = await ask(`/api/workspace/${projectId}/diff?from=${to}&to=${from}&path=sub`)
    const whole = await ask(`/api/workspace/${projectId}/diff`)
    const foreign = await ask(`/api/workspace/${projectId}/diff?from=${at(other.checkpoints, 0).id}`)
    expect({
      across: across.body.files.map(({ path, kind }) => [path, kind]),
      backwards: [backwards.body.files.map(({ path, kind }) => [path, kind]), backwards.body.patch.includes('+b1')],
      whole: whole.body.files.map(({ path }) => path),
      foreign: [foreign.status, foreign.body.error.code],
    }).toEqual({
      across: [
        ['a.txt', 'modify'],
        ['c.txt', 'create'],
        ['d.txt', 'create'],
        ['sub/b.txt', 'delete'],
      ],
      backwards: [[['sub/b.txt', 'create']], true],
      whole: ['a.txt', 'c.txt', 'd.txt'],
      foreign: [404, 'not_found'],
    })
  })
})

describe('restore', () => {
  test('the files are that tree again, and a checkpoint, a note and events say so', async () => {
    const { projectId, conversationId, checkpoints } = await aHistory()
    const target = at(checkpoints, 1)
    const eventsBefore = (
      await db.pool.query('SELECT count(*)::int AS n FROM events WHERE project_id = $1', [projectId])
    ).rows[0] as { n: number }
    const kicksBefore = kicks
    const { status, body } = await restore(target.id)
    const events = await db.pool.query<{ seq: number; data: string }>(
      'SELECT seq, data FROM events WHERE project_id = $1 AND seq > $2 ORDER BY seq',
      [projectId, eventsBefore.n],
    )
    const frames = framesOf(events.rows as never)
    const messages = await call<{ items: { role: string; text: string; taskId: string | null }[] }>(
      'GET',
      `/api/conversations/${conversationId}/messages`,
    )
    const stat = { files: 3, added: 2, removed: 2 }
    const note = 'The files were restored to the checkpoint “turn 1: step 1” (3 files changed).'
    expect(status).toBe(200)
    expect(body.checkpoint).toEqual({
      id: expect.any(String),
      taskId: null,
      turn: 0,
      treeHash: target.treeHash,
      label: 'restored to: turn 1: step 1',
      stat,
      restoredFrom: target.id,
      createdAt: expect.any(String),
    })
    expect(await files(projectId)).toEqual(AFTER_FIRST)
    expect(messages.body.items.at(-1)).toMatchObject({ role: 'note', text: note, taskId: null })
    expect(kicks).toBe(kicksBefore + 1)
    expect(
      frames.map(({ type, path, kind, source, complete, checkpointId, from }) =>
        JSON.parse(JSON.stringify({ type, path, kind, source, complete, checkpointId, from })),
      ),
    ).toEqual([
      { type: 'message.created' },
      { type: 'message.completed', complete: false },
      { type: 'file.changed', path: 'a.txt', kind: 'modify', source: 'restore' },
      { type: 'file.changed', path: 'c.txt', kind: 'delete', source: 'restore' },
      { type: 'file.changed', path: 'sub/b.txt', kind: 'create', source: 'restore' },
      { type: 'diff.updated' },
      { type: 'checkpoint.created', checkpointId: body.checkpoint.id },
      { type: 'checkpoint.restored', checkpointId: body.checkpoint.id, from: target.id },
    ])
  })

  test('only the chosen paths come back, a directory with what is in it', async () => {
    const { projectId, checkpoints } = await aHistory()
    const { status } = await restore(at(checkpoints, 1).id, { paths: ['sub'] })
    expect([status, await files(projectId)]).toEqual([200, { ...AFTER_SECOND, 'sub/b.txt': 'b1\n' }])
  })

  test('the next task of each conversation that remembers something is told, once', async () => {
    const { projectId, conversationId, checkpoints } = await aHistory()
    const fresh = (await call<{ id: string }>('POST', `/api/workspace/${projectId}/conversations`, {})).body.id
    await restore(at(checkpoints, 1).id)
    const toldTo = async (conversation: string) => {
      const { taskId } = await post(db, { projectId, conversationId: conversation, text: 'Next' })
      return { taskId, told: restoreNotices(await restoresToTell(db, await getTask(db, taskId), 5)) }
    }
    const own = await toldTo(conversationId)
    const other = await toldTo(fresh)
    expect([own.told, other.told]).toEqual([
      [
        'Notice: since your last task the user put the files back to the checkpoint "turn 1: step 1". What you remember of them may no longer hold; read before you edit. Changed by that: a.txt, c.txt, sub/b.txt (3 in all).',
      ],
      [],
    ])
  })

  test('a task that is not over, one that waits included, keeps restore, undo and fork away', async () => {
    const { projectId, conversationId, taskId, checkpoints } = await aHistory()
    const running = await post(db, { projectId, conversationId, text: 'Work' })
    const id = at(checkpoints, 1).id
    const answers = [
      await restore(id),
      await undo(taskId),
      await call('POST', `/api/checkpoints/${id}/fork`, { into: 'conversation' }),
      await call('POST', `/api/checkpoints/${id}/fork`, { into: 'project' }),
    ]
    const { rows } = await db.pool.query('SELECT id FROM restores WHERE project_id = $1', [projectId])
    expect({
      answers: answers.map(({ status, body }) => [status, body.error.code, body.error.details]),
      restores: rows,
      files: await files(projectId),
    }).toEqual({
      answers: Array(4).fill([409, 'task_running', { taskId: running.taskId }]),
      restores: [],
      files: AFTER_SECOND,
    })
  })

  test('bad input is refused, names the field and changes nothing', async () => {
    const { projectId, checkpoints } = await aHistory()
    const id = at(checkpoints, 1).id
    const many = Array.from({ length: 1_001 }, (_, index) => `f${index}`)
    const answers = [
      await restore('ckp_none'),
      await restore(id, { paths: [] }),
      await restore(id, { paths: many }),
      await restore(id, { paths: ['../etc'] }),
      await restore(id, { paths: ['nowhere.txt'] }),
      await restore(id, { force: true }),
      await call('POST', `/api/checkpoints/${id}/fork`, { into: 'nothing' }),
      await call('POST', `/api/checkpoints/${id}/fork`, { into: 'project', name: 'x'.repeat(201) }),
      await call('POST', `/api/checkpoints/ckp_none/fork`, { into: 'project' }),
    ]
    expect(answers.map(({ status, body }) => [status, Object.keys(body.error.details ?? {})])).toEqual([
      [404, []],
      [400, ['paths']],
      [400, ['paths']],
      [400, ['paths[0]']],
      [400, ['paths[0]']],
      [400, ['force']],
      [400, ['into']],
      [400, ['name']],
      [404, []],
    ])
    const { rows } = await db.pool.query('SELECT id FROM restores WHERE project_id = $1', [projectId])
    expect([rows, await files(projectId)]).toEqual([[], AFTER_SECOND])
  })

  test('several at once: one is done, the others are asked to come again', async () => {
    const { projectId, checkpoints } = await aHistory()
    const answers = await Promise.all(Array.from({ length: 5 }, () => restore(at(checkpoints, 1).id)))
    const good = answers.filter(({ status }) => status === 200)
    const late = answers.filter(({ status }) => status !== 200)
    expect(late.map(({ status, body }) => [status, body.error.code, body.error.retryable])).toEqual(
      Array(late.length).fill([409, 'restore_running', true]),
    )
    expect([good.length > 0, await files(projectId)]).toEqual([true, AFTER_FIRST])
  })

  test('a file that cannot be put in its place leaves the old tree, and the project goes on', async () => {
    const projectId = await aProject(db)
    const world = { db, workspaces: parts.workspaces }
    const { checkpoints } = await aDoneTask(world, projectId, [
      { 'a.txt': 'a1\n', out: 'a file\n' },
      { 'a.txt': 'a2\n', out: null, 'package.json': '{}\n' },
    ])
    const sandbox = await parts.workspaces.open(projectId)
    // Build output, which checkpoints do not see, now stands where the file was.
    await sandbox.write([{ path: 'out/built.js', data: 'built\n' }])
    const before = await files(projectId)
    const answer = await restore(at(checkpoints, 1).id)
    const { rows } = await db.pool.query('SELECT status FROM restores WHERE project_id = $1', [projectId])
    expect({ answer: [answer.status, answer.body.error.code], rows, files: await files(projectId) }).toEqual({
      answer: [400, 'sandbox_bad_request'],
      rows: [{ status: 'failed' }],
      files: before,
    })
  })
})

describe('a process that dies in the middle of a restore', () => {
  /** Runs a restore in a process of its own that is killed at the crash point. */
  async function dieAt(point: string, checkpointId: string): Promise<void> {
    const args = ['--import', 'tsx', DYING, db.url, dir, checkpointId, point]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    expect(signal).toBe('SIGKILL')
  }

  test.each(['restore.recorded', 'restore.file_replaced', 'restore.before_record'])(
    'at %s leaves the new tree to whoever opens the files next, recorded once',
    async (point) => {
      const { projectId, conversationId, checkpoints } = await aHistory()
      const target = at(checkpoints, 1)
      await dieAt(point, target.id)
      // A message that comes meanwhile waits: nothing may start on files that are neither tree.
      const { taskId } = await post(db, { projectId, conversationId, text: 'Next' })
      const waiting = await db.pool.query('SELECT active_task_id AS active FROM projects WHERE id = $1', [projectId])
      const seen = await files(projectId)
      await parts.restorer.settleAll()
      const { rows: restores } = await db.pool.query('SELECT status, files FROM restores WHERE project_id = $1', [
        projectId,
      ])
      const { rows: recorded } = await db.pool.query(
        'SELECT tree_hash AS tree FROM checkpoints WHERE project_id = $1 AND task_id IS NULL',
        [projectId],
      )
      const { rows: notes } = await db.pool.query(
        `SELECT count(*)::int AS n FROM messages WHERE conversation_id = $1 AND role = 'note' AND task_id IS NULL`,
        [conversationId],
      )
      const started = await db.pool.query('SELECT active_task_id AS active FROM projects WHERE id = $1', [projectId])
      expect({ waiting: waiting.rows, seen, restores, recorded, notes, started: started.rows }).toEqual({
        waiting: [{ active: null }],
        seen: AFTER_FIRST,
        restores: [{ status: 'done', files: 3 }],
        recorded: [{ tree: target.treeHash }],
        notes: [{ n: 1 }],
        started: [{ active: taskId }],
      })
    },
  )

  test('is finished by the sweep and the server’s start as well, and asking again gives its result', async () => {
    const { projectId, checkpoints } = await aHistory()
    const target = at(checkpoints, 1)
    await dieAt('restore.file_replaced', target.id)
    const again = await restore(target.id)
    const { rows } = await db.pool.query('SELECT checkpoint_id AS id FROM restores WHERE project_id = $1', [projectId])
    expect([again.status, rows, await files(projectId)]).toEqual([200, [{ id: again.body.checkpoint.id }], AFTER_FIRST])

    await dieAt('restore.recorded', at(checkpoints, 2).id)
    await parts.restorer.settleAll()
    expect(await filesOf(await parts.unguarded.open(projectId))).toEqual(AFTER_SECOND)
  })
})

describe('undo', () => {
  test('takes back the newest task with changes, then the one before it, and says what is in the way', async () => {
    const { projectId, conversationId, taskId: first } = await aHistory()
    const world = { db, workspaces: parts.workspaces }
    const second = await aDoneTask(world, projectId, [{ 'd.txt': 'd\n' }], conversationId)
    const idle = await aDoneTask(world, projectId, [{}], conversationId)
    const next = async () =>
      (await call<{ taskId: string | null }>('GET', `/api/workspace/${projectId}/undo`)).body.taskId
    const blocked = await undo(first)
    const nothing = await undo(idle.taskId)
    const nexts = [await next()]
    const undone = await undo(second.taskId)
    const afterSecond = await files(projectId)
    nexts.push(await next())
    const twice = await undo(second.taskId)
    const undoneToo = await undo(first)
    nexts.push(await next())
    expect({
      blocked: [blocked.status, blocked.body.error.code, blocked.body.error.details],
      nothing: [nothing.status, nothing.body.error.code],
      undone: [undone.status, afterSecond],
      twice: [twice.status, twice.body.error.code],
      undoneToo: [undoneToo.status, await files(projectId)],
      nexts,
    }).toEqual({
      blocked: [409, 'undo_conflict', { taskId: second.taskId }],
      nothing: [409, 'undo_conflict'],
      undone: [200, AFTER_SECOND],
      twice: [409, 'undo_conflict'],
      undoneToo: [200, { 'kept.txt': 'kept\n' }],
      nexts: [second.taskId, first, null],
    })
  })
})

test('what changed outside of tasks is in a checkpoint of its own when the files go back, and comes back from there', async () => {
  const { projectId, taskId, conversationId } = await aHistory()
  const sandbox = await parts.workspaces.open(projectId)
  const undone = await undo(taskId)
  await restore(
    at((await call<{ items: ShownCheckpoint[] }>('GET', `/api/tasks/${taskId}/checkpoints`)).body.items, -1).id,
  )
  await sandbox.write([{ path: 'a.txt', data: 'by hand\n' }])
  const again = await undo(taskId)
  const after = await files(projectId)
  const { items } = (await call<{ items: ShownCheckpoint[] }>('GET', `/api/workspace/${projectId}/checkpoints`)).body
  const back = await restore(at(items, -2).id)
  const next = await call<{ taskId: string | null }>('GET', `/api/workspace/${projectId}/undo`)
  const fork = await call<{ id: string }>('POST', `/api/checkpoints/${at(items, -2).id}/fork`, { into: 'conversation' })
  expect({
    statuses: [undone.status, again.status, back.status, fork.status],
    after,
    labels: items.slice(4).map((item) => [item.taskId, item.label]),
    back: await files(projectId),
    next: next.body.taskId,
    conversation: conversationId,
  }).toEqual({
    statuses: [200, 200, 200, 201],
    after: { 'kept.txt': 'kept\n' },
    labels: [
      [null, expect.stringMatching(/^restored to: /)],
      [null, 'changed outside tasks, before the files went back'],
      [null, expect.stringMatching(/^undone to: /)],
    ],
    back: { ...AFTER_SECOND, 'a.txt': 'by hand\n' },
    next: taskId,
    conversation: conversationId,
  })
})

describe('fork', () => {
  interface Message {
    readonly role: string
    readonly text: string
    readonly conversationId: string
  }
  const messagesOf = async (conversationId: string) =>
    (await call<{ items: Message[] }>('GET', `/api/conversations/${conversationId}/messages`)).body.items

  test('a new conversation has the history up to there and the files of then', async () => {
    const { projectId, conversationId, checkpoints } = await aHistory()
    const { status, body } = await call<{ id: string; projectId: string; title: string; forkedFrom: string }>(
      'POST',
      `/api/checkpoints/${at(checkpoints, 1).id}/fork`,
      { into: 'conversation', name: 'Another way' },
    )
    const fork = await messagesOf(body.id)
    const note = fork.at(-1)
    expect([status, body.projectId, body.title, body.forkedFrom]).toEqual([
      201,
      projectId,
      'Another way',
      at(checkpoints, 1).id,
    ])
    expect(await files(projectId)).toEqual(AFTER_FIRST)
    expect(fork.map(({ role, text, conversationId: of }) => [role, text, of === body.id])).toEqual([
      ['user', 'Task with 2 turns', true],
      ['assistant', 'Reply 1', true],
      ['note', note?.text, true],
    ])
    expect(note?.text).toContain('Forked from the checkpoint “turn 1: step 1”')
    // The one it came from keeps its own.
    expect((await messagesOf(conversationId)).map(({ text }) => text)).toEqual([
      'Task with 2 turns',
      'Reply 1',
      'Reply 2',
    ])

    const { taskId } = await post(db, { projectId, conversationId: body.id, text: 'On' })
    expect(restoreNotices(await restoresToTell(db, await getTask(db, taskId), 5))).toEqual([
      'Notice: this conversation was forked at the checkpoint "turn 1: step 1". The files are as they were then; whatever was done later is not in them.',
    ])
  })

  test('a new project has files and history of its own that outlive the project they came from', async () => {
    const { projectId, checkpoints } = await aHistory()
    const sandbox = await parts.workspaces.open(projectId)
    const link = 'ln -s ../kept.txt sub/link; chmod +x a.txt'
    const linked = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [{ 'sub/x.txt': 'x\n' }])
    expect(linked.checkpoints).toHaveLength(2)
    await sandbox.start({ execId: 'link', taskId: 'test', argv: { sh: link }, timeoutMs: 10_000 })
    await sandbox.poll('link', { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: 10_000 })
    const withLink = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [])
    const from = at(withLink.checkpoints, 0)
    const fork = (id: string) =>
      call<{ id: string; name: string; conversationId: string; source: object }>(
        'POST',
        `/api/checkpoints/${id}/fork`,
        {
          into: 'project',
        },
      )
    const { status, body } = await fork(from.id)
    const early = await fork(at(checkpoints, 0).id)
    // The origin goes, and its sandbox with it.
    await call('DELETE', `/api/projects/${projectId}`).catch(() => undefined)
    const ref = sandbox.ref
    await parts.unguarded.destroy(ref)

    const forked = await parts.workspaces.open(body.id)
    const own = await forked.checkpoint()
    const history = (await messagesOf(body.conversationId)).map(({ role, text }) => [role, text])
    expect([status, body.name, body.source]).toEqual([
      201,
      'test (fork)',
      { kind: 'fork', checkpointId: from.id, projectId },
    ])
    expect(own).toBe(from.treeHash)
    expect(history.slice(0, 3)).toEqual([
      ['user', 'Task with 2 turns'],
      ['assistant', 'Reply 1'],
      ['assistant', 'Reply 2'],
    ])
    expect(await files(early.body.id)).toEqual({ 'kept.txt': 'kept\n' })
    // Before the first task there was nothing said.
    expect((await messagesOf(early.body.conversationId)).map(({ role }) => role)).toEqual(['note'])
    // A sandbox that is made anew is filled from what the fork keeps.
    await parts.unguarded.destroy(forked.ref)
    await db.pool.query('DELETE FROM sandboxes WHERE project_id = $1', [body.id])
    expect(await (await parts.workspaces.open(body.id)).checkpoint()).toBe(from.treeHash)
  })

  test('a checkpoint that is too large to be stored becomes a project all the same, which outlives where it came from', async () => {
    const { projectId } = await aHistory()
    const sandbox = await parts.workspaces.open(projectId)
    const fill = `mkdir -p logs/today; ln -s nowhere link; echo k > key; chmod 600 key
      for i in $(seq 23); do head -c 3000000 /dev/urandom > "b$i"; done; printf x > "$(printf 'caf\\351')"`
    await sandbox.start({ execId: 'fill', taskId: 'test', argv: { sh: fill }, timeoutMs: 30_000 })
    await sandbox.poll('fill', { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: 30_000 })
    const { checkpoints } = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [])
    const from = at(checkpoints, 0)
    const fork = () =>
      call<{ id: string; source: object }>('POST', `/api/checkpoints/${from.id}/fork`, { into: 'project' })
    const { status, body } = await fork()
    const lost = await fork()
    await db.pool.query('UPDATE sandboxes SET filled = false, ref = NULL WHERE project_id = $1', [lost.body.id])
    await call('DELETE', `/api/projects/${projectId}`).catch(() => undefined)
    await parts.unguarded.destroy(sandbox.ref)
    const stored = await db.pool.query('SELECT 1 FROM forked_files WHERE project_id = $1', [body.id])
    expect([status, body.source, stored.rows, await (await parts.workspaces.open(body.id)).checkpoint()]).toEqual([
      201,
      { kind: 'fork', checkpointId: from.id, projectId, fromCheckpoint: true },
      [],
      from.treeHash,
    ])
    await expect(parts.workspaces.open(lost.body.id)).rejects.toMatchObject({
      code: 'project_source_failed',
      message: expect.stringContaining('too large to be kept beside it'),
    })
  })

  test('a checkpoint of a deleted project is not found', async () => {
    const { projectId, checkpoints } = await aHistory()
    await db.pool.query('UPDATE projects SET deleted_at = now() WHERE id = $1', [projectId])
    const id = at(checkpoints, 1).id
    expect([
      (await restore(id)).status,
      (await call('POST', `/api/checkpoints/${id}/fork`, { into: 'project' })).status,
      await getCheckpoint(db, id).catch((error: { code: string }) => error.code),
    ]).toEqual([404, 404, 'not_found'])
  })
})

describe('retention', () => {
  test('keeps where tasks begin and end, says which checkpoints are gone, and looks again only when there is a new one', async () => {
    const { projectId, taskId, checkpoints } = await aHistory()
    const later = new Date(Date.now() + 60_000)
    const own = async () => (await prunableSandboxes(db, 14)).find((each) => each.projectId === projectId)
    const found = await own()
    const trees = checkpoints.map(({ treeHash }) => treeHash)
    await noteChecked(db, projectId, found?.keep ?? [], later)
    const listed = await call<{ items: { droppedAt?: string }[] }>('GET', `/api/tasks/${taskId}/checkpoints`)
    const diff = await call('GET', `/api/tasks/${taskId}/diff?to=${at(checkpoints, 1).id}`)
    expect({
      keep: found?.keep.toSorted(),
      newestFirst: found?.newestFirst,
      dropped: listed.body.items.map(({ droppedAt }) => droppedAt !== undefined),
      diff: [diff.status, diff.body.error.code],
      again: await own(),
    }).toEqual({
      keep: [trees[0], trees[2]].toSorted(),
      newestFirst: [trees[1]],
      dropped: [false, true, false],
      diff: [404, 'not_found'],
      again: undefined,
    })
  })
})
