import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createConversation } from '../../../src/db/project/conversations.ts'
import { listProjects } from '../../../src/db/project/projects.ts'
import { listApprovals } from '../../../src/db/task/approval-rows.ts'
import { openApproval } from '../../../src/db/task/approvals.ts'
import { readBudget } from '../../../src/db/task/budgets.ts'
import { lookAtComparison, recordChoice, weighComparison } from '../../../src/db/task/comparison-moves.ts'
import { createComparison, getComparison, type NewComparison } from '../../../src/db/task/comparisons.ts'
import { decideApproval } from '../../../src/db/task/decide-approval.ts'
import { createPublication } from '../../../src/db/task/publications.ts'
import { requireIdle } from '../../../src/db/task/require-idle.ts'
import { getTask, tasksThatShouldRun } from '../../../src/db/task/tasks.ts'
import { inProject } from '../../../src/db/transaction.ts'
import { savedEnvironment, saveEnvironment } from '../../../src/db/workspace/environments.ts'
import { restoresToTell } from '../../../src/db/workspace/restores.ts'
import { publishedTree } from '../../../src/publish/published-tree.ts'
import { applyChoice } from '../../../src/restore/choose-alternative.ts'
import { removeAlternatives } from '../../../src/restore/comparison-steps.ts'
import { restoreNotices } from '../../../src/restore/restore-notices.ts'
import { watchOnce } from '../../../src/server/watchdog.ts'
import { NO_POLICY } from '../../../src/shared/approval-policy.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject, post, takeOver } from '../../support/tasks.ts'
import { aDoneTask, endTask, filesOf, forkedBy, type Parts, partsOf } from './support.ts'

const DYING = fileURLToPath(new URL('./dying-comparer.ts', import.meta.url))

let db: TestDb
let dir: string
let parts: Parts

beforeAll(async () => {
  db = await aDb()
  dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-compare-')))
  parts = partsOf(db, dir)
})
afterAll(async () => {
  await parts?.close()
  await db?.close()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

const BEFORE = { 'kept.txt': 'kept\n', '.git/config': '[core]\n' }
const WISH = { alternatives: [{ model: 'claude-haiku-5-5' }, {}], include: true, choose: 'evidence' } as const

/** A finished task that wrote `a.txt`, in a project that has a configuration of git. */
async function aTask() {
  const projectId = await aProject(db, { kind: 'files', files: BEFORE })
  const task = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [{ 'a.txt': 'own\n' }])
  return { projectId, ...task }
}

async function aComparison(overrides: Partial<NewComparison> = {}) {
  const task = await aTask()
  const made = await createComparison(db, { ...WISH, ...overrides, projectId: task.projectId, taskId: task.taskId })
  return { ...task, at: { comparisonId: made.id, projectId: task.projectId }, made }
}

/** The tries do their work; the first is proved by its checks. */
async function work({ made }: Pick<Awaited<ReturnType<typeof aComparison>>, 'made'>): Promise<void> {
  for (const { index, projectId, taskId } of made.items.filter((item) => item.index > 0)) {
    const change = { 'a.txt': `try ${index}\n`, 'kept.txt': null, 'link/deep.txt': 'deep\n' }
    await endTask({ db, workspaces: parts.workspaces }, { projectId, taskId }, change)
    if (index === 1) {
      await db.pool.query(`UPDATE tasks SET evidence = 'verified', evidence_tree = latest_tree WHERE id = $1`, [taskId])
    }
  }
}

async function dies(
  at: { comparisonId: string; projectId: string },
  step: string,
  crashPoint: string,
): Promise<string | null> {
  const args = [
    '--import',
    import.meta.resolve('tsx'),
    DYING,
    db.url,
    dir,
    at.comparisonId,
    at.projectId,
    step,
    crashPoint,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  return signal
}

const count = async (text: string, values: unknown[]) => {
  const { rows } = await db.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${text}`, values)
  return rows[0]?.n
}

const files = async (projectId: string) => filesOf(await parts.workspaces.open(projectId))

test('a worker killed at any step makes no try twice, chooses once, and what was made is removed', async () => {
  const comparing = await aComparison()
  const { at, made, projectId, taskId, conversationId } = comparing
  const signals = [await dies(at, 'fork', 'comparison.forked@2')]
  const { runs } = await forkedBy(db, at)
  const forks = made.items.filter(({ index }) => index > 0).map((item) => item.projectId)
  const once = {
    projects: await count('projects WHERE alternative_of = $1', [projectId]),
    tasks: await count('tasks WHERE project_id = ANY($1)', [forks]),
    requests: await count(`messages WHERE project_id = ANY($1) AND role = 'user'`, [forks]),
    started: await count('outbox WHERE project_id = ANY($1)', [forks]),
    listed: (await listProjects(db, { limit: 200 })).items.filter(({ id }) => forks.includes(id)).length,
    // The watchdog leaves them to the comparison.
    watched: (await tasksThatShouldRun(db, { seconds: 0, limit: 500 })).filter((task) => forks.includes(task.projectId))
      .length,
  }
  await work(comparing)
  for (const point of ['choice.adopted', 'restore.recorded']) signals.push(await dies(at, 'choose', point))
  await weighComparison(db, at)
  await applyChoice({ db, workspaces: parts.workspaces, restorer: parts.restorer }, at)
  await applyChoice({ db, workspaces: parts.workspaces, restorer: parts.restorer }, at)
  const task = await getTask(db, taskId)
  const published = await publishedTree(db, task)
  const next = await post(db, { projectId, conversationId, text: 'Next' })
  const told = restoreNotices(await restoresToTell(db, await getTask(db, next.taskId), 5))
  signals.push(await dies(at, 'remove', 'comparison.fork_removed'))
  await removeAlternatives({ db, workspaces: parts.workspaces }, at, () => undefined)
  await removeAlternatives({ db, workspaces: parts.workspaces }, at, () => undefined)
  const { state, chosenIndex, reason, results } = await getComparison(db, at.comparisonId)
  expect({
    signals,
    once,
    runs: runs.map(({ index, input }) => [index, input.taskId, input.budgetWaitHours]),
    chosen: [state, chosenIndex, reason],
    files: await files(projectId),
    checkpoints: await count(`checkpoints WHERE project_id = $1 AND label LIKE 'chosen%'`, [projectId]),
    notes: await count(`messages WHERE project_id = $1 AND text LIKE 'Alternative 1%'`, [projectId]),
    events: await count(`events WHERE project_id = $1 AND data LIKE '%"state":"chosen"%'`, [projectId]),
    published: published === results?.find(({ index }) => index === 1)?.tree,
    told: told.map((text) => [
      text.includes('"Task with 1 turns"'),
      text.includes('a.txt'),
      text.includes('try 1 is done.'),
    ]),
    left: {
      sandboxes: await count('sandboxes WHERE project_id = ANY($1)', [forks]),
      messages: await count('messages WHERE project_id = ANY($1)', [forks]),
      names: await count(`projects WHERE id = ANY($1) AND name <> ''`, [forks]),
    },
  }).toEqual({
    signals: Array(signals.length).fill('SIGKILL'),
    once: { projects: 2, tasks: 2, requests: 2, started: 0, listed: 0, watched: 0 },
    runs: made.items.filter(({ index }) => index > 0).map((item) => [item.index, item.taskId, 0]),
    chosen: ['chosen', 1, 'Alternative 1 is the best proved: every check passed.'],
    // What lies in .git is the project's own.
    files: { '.git/config': '[core]\n', 'a.txt': 'try 1\n', 'link/deep.txt': 'deep\n' },
    checkpoints: 1,
    notes: 1,
    events: 1,
    published: true,
    told: [[true, true, true]],
    left: { sandboxes: 0, messages: 0, names: 0 },
  })
})

test('what a try asks waits in its project’s inbox, and what it uses counts against its project’s limits', async () => {
  const comparing = await aComparison()
  const { at, made, projectId } = comparing
  await db.pool.query('UPDATE projects SET budget = $2 WHERE id = $1', [
    projectId,
    JSON.stringify({ project: { maxTurns: 9 } }),
  ])
  await forkedBy(db, at)
  const [first, second] = made.items.filter(({ index }) => index > 0)
  if (first === undefined || second === undefined) throw new Error('there are two tries')
  const attempt = await takeOver(db, first)
  const ask = {
    key: 'toolu_1',
    turn: 1,
    kind: 'question',
    title: 'Which?',
    detail: { question: 'Which?' },
    expiresMs: 60_000,
  } as const
  await openApproval(attempt, ask)
  await db.pool.query('UPDATE tasks SET turn = 4 WHERE id = $1', [first.taskId])
  const waiting = await listApprovals(db, { projectId, isOpen: true, limit: 10 })
  const budget = await readBudget(db, second.taskId, { project: {}, day: {} })
  expect({
    waiting: waiting.items.map(({ projectId: of, projectName, title }) => [of, projectName, title]),
    turns: [budget.project.use.turns, budget.project.limits.maxTurns],
  }).toEqual({ waiting: [[first.projectId, 'test (alternative 1)', 'Which?']], turns: [4, 9] })
})

test('what was decided for the project in the chosen try holds for the project, and nothing of the other try’s', async () => {
  const task = await aTask()
  const known = { kind: 'path', subject: 'known.txt', decision: 'approve', at: '2026-01-01T00:00:00.000Z' } as const
  const approvals = { ...NO_POLICY, commands: ['npm publish'], paths: ['known.txt'], remembered: [known] }
  const saved = {
    network: { policy: 'registries', hosts: [] },
    setup: { enabled: true, commands: [] },
    variables: [],
    services: [],
    approvals,
  } as const
  await saveEnvironment(db, task.projectId, 0, saved)
  const made = await createComparison(db, { ...WISH, projectId: task.projectId, taskId: task.taskId })
  const at = { comparisonId: made.id, projectId: task.projectId }
  await forkedBy(db, at)
  for (const { index, projectId, taskId } of made.items.filter((item) => item.index > 0)) {
    const attempt = await takeOver(db, { projectId, taskId })
    for (const detail of [{ command: `npm publish --tag try${index}` }, { host: `try${index}.example` }]) {
      const kind = 'host' in detail ? 'host' : 'command'
      const asked = await openApproval(attempt, {
        key: kind,
        turn: 1,
        kind,
        title: 'May it?',
        detail,
        expiresMs: 60_000,
      })
      if (asked === 'refused') throw new Error('nothing is remembered as denied')
      const decision = { approvalId: asked.id, decision: 'approve', scope: 'project', by: 'person' } as const
      await decideApproval(db, { projectId, taskId }, decision, { tellWorkflow: false, isRepeatFine: true })
    }
  }
  await work({ made })
  await weighComparison(db, at)
  await recordChoice(db, { ...at, index: 2 }, { tellWorkflow: false }).catch(() => undefined)
  await applyChoice({ db, workspaces: parts.workspaces, restorer: parts.restorer }, at)
  const { chosenIndex } = await getComparison(db, made.id)
  const environment = await savedEnvironment(db, task.projectId)
  expect({
    chosenIndex,
    version: environment?.version,
    hosts: environment?.network,
    remembered: environment?.approvals?.remembered.map(({ kind, subject, decision }) => [kind, subject, decision]),
  }).toEqual({
    chosenIndex: 1,
    version: 2,
    hosts: { policy: 'hosts', hosts: ['try1.example'] },
    remembered: [
      ['path', 'known.txt', 'approve'],
      ['command', 'npm publish --tag try1', 'approve'],
    ],
  })
})

test('a person adds nothing to the project of a try: no message, conversation, restore, publication or comparison', async () => {
  const { at, made, projectId } = await aComparison()
  await forkedBy(db, at)
  const first = made.items.find(({ index }) => index === 1)
  if (first === undefined) throw new Error('there is a first try')
  const messages = () => count(`messages WHERE project_id = $1 AND role = 'user'`, [first.projectId])
  const before = await messages()
  const { conversationId, taskId } = first
  const refused = { code: 'is_alternative', details: { projectId } }
  const wanted = { projectId: first.projectId, conversationId, text: 'More' }
  await expect(post(db, wanted)).rejects.toMatchObject(refused)
  await expect(post(db, { ...wanted, delivery: 'queue' })).rejects.toMatchObject(refused)
  await expect(createConversation(db, first.projectId, 'Mine')).rejects.toMatchObject(refused)
  await expect(inProject(db, first.projectId, requireIdle)).rejects.toMatchObject(refused)
  const publication = {
    ...{ projectId: first.projectId, conversationId, taskId, treeHash: 'f'.repeat(40) },
    ...{ defaultBranch: 'keelson/try', spareBranch: 'keelson/try-2', title: 'Mine', body: '', request: '{}' },
    ...{ pullRequest: false, draft: false, allowWorkflowFiles: false, wantsFork: false },
  }
  await expect(createPublication(db, publication)).rejects.toMatchObject(refused)
  expect(await count('publications WHERE project_id = $1', [first.projectId])).toBe(0)
  await work({ made })
  await expect(createComparison(db, { ...WISH, projectId: first.projectId, taskId })).rejects.toMatchObject(refused)
  expect(await messages()).toBe(before)
})

test('at most two comparisons of a project are open, a known id gives the same one, and a task without its start has none', async () => {
  const { projectId, taskId, made } = await aComparison({ clientComparisonId: 'mine' })
  const ask = (overrides: Partial<NewComparison>) => createComparison(db, { ...WISH, projectId, taskId, ...overrides })
  const same = await ask({ clientComparisonId: 'mine' })
  await expect(ask({ clientComparisonId: 'mine', include: false })).rejects.toMatchObject({
    code: 'idempotency_mismatch',
  })
  await ask({})
  await expect(ask({})).rejects.toMatchObject({ code: 'comparison_limit' })
  const other = await aTask()
  await db.pool.query('UPDATE checkpoints SET dropped_at = now() WHERE task_id = $1', [other.taskId])
  const dropped = createComparison(db, { ...WISH, projectId: other.projectId, taskId: other.taskId })
  await expect(dropped).rejects.toMatchObject({ code: 'checkpoint_gone' })
  expect(same.id).toBe(made.id)
})

test('a choice is made once, of what has a result, while no task runs and the files are those of the task', async () => {
  const comparing = await aComparison({ choose: 'person' })
  const { at, projectId, conversationId, taskId } = comparing
  await forkedBy(db, at)
  const choose = (index: number) => recordChoice(db, { ...at, index }, { tellWorkflow: true })
  const refusals: unknown[] = []
  const refused = async (index: number) => {
    refusals.push(
      await choose(index).then(
        () => 'taken',
        (error: { code?: string }) => error.code,
      ),
    )
  }
  await refused(1)
  await refused(9)
  await work(comparing)
  await weighComparison(db, at)
  const running = await post(db, { projectId, conversationId, text: 'More' })
  await refused(1)
  await endTask({ db, workspaces: parts.workspaces }, running, { 'later.txt': 'later\n' })
  await refused(1)
  await db.pool.query(
    'UPDATE checkpoints SET tree_hash = (SELECT latest_tree FROM tasks WHERE id = $2) WHERE task_id = $1',
    [running.taskId, taskId],
  )
  await refused(2)
  await refused(1)
  expect([refusals, await count(`outbox WHERE project_id = $1 AND kind = 'wake'`, [projectId])]).toEqual([
    ['bad_request', 'bad_request', 'task_running', 'files_moved_on', 'taken', 'already_decided'],
    1,
  ])
})

test('a comparison whose workflow was ended from outside is ended, and what it made is given to the sweep', async () => {
  const { at, made } = await aComparison()
  await forkedBy(db, at)
  await db.pool.query(`UPDATE outbox SET done_at = now() WHERE kind = 'compare'`)
  await db.pool.query(`UPDATE comparisons SET created_at = now() - interval '1 minute' WHERE id = $1`, [
    at.comparisonId,
  ])
  const temporal = {
    isWorkflowOver: () => Promise.resolve(false),
    isComparisonOver: (id: string) => Promise.resolve(id === at.comparisonId),
  }
  const log = { warn: () => undefined, debug: () => undefined } as never
  await watchOnce({ db, temporal, log, onClosed: () => undefined })
  const forks = made.items.filter(({ index }) => index > 0).map((item) => item.projectId)
  const { state } = await lookAtComparison(db, at)
  expect([state, await count('projects WHERE id = ANY($1) AND deleted_at IS NOT NULL', [forks])]).toEqual(['failed', 2])
})
