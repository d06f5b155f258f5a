import { CancelledFailure } from '@temporalio/activity'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { returnWorkspace } from '../../../src/activities/borrowed-workspace.ts'
import { readBaseline } from '../../../src/db/review/reviews.ts'
import { Attempt } from '../../../src/db/task/attempt.ts'
import { aSpec, codeOf } from '../../contract/sandbox/harness.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aReviewedTask, aReviewHost, type ReviewedTask, type ReviewHost } from './host.ts'

let host: ReviewHost
beforeAll(async () => {
  host = await aReviewHost()
})
afterAll(() => host.close())

/** A project whose two checks are scripts of its own; each run leaves a line where no checkpoint looks. */
const project = (scripts: Readonly<Record<string, string>>) => ({
  'package.json': JSON.stringify({ scripts }),
})
const PASS = 'node -e 0'

async function statuses(task: ReviewedTask, round: number): Promise<Record<string, string>> {
  const found = (await task.rounds()).find((entry) => entry.round === round)
  return Object.fromEntries((found?.checks ?? []).map((check) => [check.name, check.status]))
}

describe('the baseline', () => {
  test('a check that failed before the task began holds nothing up; one that the change broke does', async () => {
    const task = await aReviewedTask(host, {
      ...project({ test: 'sh test.sh', lint: 'sh lint.sh' }),
      'test.sh': 'exit 1\n',
      'lint.sh': 'exit 0\n',
    })
    const first = await task.work({ 'a.txt': 'harmless\n' })
    const harmless = await task.check(1)
    expect(await statuses(task, 1)).toEqual({ test: 'failed_before', lint: 'passed' })
    await task.work({ 'lint.sh': 'exit 1\n' })
    const broken = await task.check(2, { fixRounds: 0 })
    expect({
      first: [harmless.failed, harmless.review.treeHash],
      second: [broken.failed, broken.review.status, await statuses(task, 2)],
      baseline: (await readBaseline(host.db, task.taskId)).map(({ name, failed }) => [name, failed]),
      files: await task.contentOf('lint.sh'),
    }).toEqual({
      first: [0, first],
      second: [1, 'fixing', { test: 'failed_before', lint: 'failed' }],
      baseline: [
        ['test', true],
        ['lint', false],
      ],
      files: 'exit 1\n',
    })
  })

  test('a task whose checks pass runs none of them twice and looks at no other tree', async () => {
    const task = await aReviewedTask(host, { ...project({ test: PASS }) })
    await task.work({ 'a.txt': 'x\n' })
    await task.check(1)
    const execs = (await task.sandbox.execs(task.taskId))
      .map((exec) => exec.execId.split('-')[0])
      .filter((name) => name !== 'look')
    expect({ execs: execs.sort(), baseline: await readBaseline(host.db, task.taskId) }).toEqual({
      execs: ['check', 'detect'],
      baseline: [],
    })
  })

  test('a check that ends on neither tree is timed out: no fix is asked for, nothing is proved, and it is not waited for again', async () => {
    const task = await aReviewedTask(host, { ...project({ test: 'sh test.sh' }), 'test.sh': 'exit 1\n' })
    const entry = { name: 'test', command: 'npm test', failed: true, state: 'timed_out' }
    await host.db.pool.query('UPDATE tasks SET baseline = $2 WHERE id = $1', [task.taskId, JSON.stringify([entry])])
    await task.work({ 'a.txt': 'x\n' })
    const { failed } = await task.check(1)
    const { evidence, evidenceGaps } = await task.task()
    const execs = (await task.sandbox.execs(task.taskId)).filter((exec) => exec.execId.startsWith('check-'))
    expect({ failed, statuses: await statuses(task, 1), evidence, evidenceGaps, execs }).toEqual({
      failed: 0,
      statuses: { test: 'timed_out' },
      evidence: 'unverified',
      evidenceGaps: [{ name: 'test', reason: 'did not end within its time, and did not before the task began either' }],
      execs: [],
    })
  })

  test('what is proved of a tree is not said of the next one', async () => {
    const task = await aReviewedTask(host, { ...project({ test: PASS, lint: 'no-such-program' }) })
    await task.work({ 'a.txt': 'x\n' })
    await task.check(1)
    const judged = await task.task()
    await task.work({ 'a.txt': 'y\n' })
    const { evidence, evidenceGaps } = await task.task()
    expect({
      statuses: await statuses(task, 1),
      judged: [judged.evidence, judged.evidenceGaps],
      evidence,
      evidenceGaps,
    }).toEqual({
      statuses: { test: 'passed', lint: 'not_run' },
      judged: ['partly', [{ name: 'lint', reason: 'no-such-program is not installed in the sandbox' }]],
      evidence: 'unverified',
      evidenceGaps: [],
    })
  })

  test('a new project’s failing tests did not fail before: there were none', async () => {
    const task = await aReviewedTask(host, { 'README.md': '# Empty\n' })
    await task.work({ ...project({ test: 'sh test.sh' }), 'test.sh': 'exit 1\n' })
    const { failed } = await task.check(1)
    expect([failed, await statuses(task, 1)]).toEqual([1, { test: 'failed' }])
  })

  test('a check that fails once and then passes on the same files is flaky and holds nothing up', async () => {
    // node_modules is what a checkpoint leaves out, so the second run finds what the first one left.
    const flaky = 'test -e node_modules/seen || { mkdir -p node_modules; touch node_modules/seen; exit 1; }\n'
    const task = await aReviewedTask(host, { ...project({ test: 'sh test.sh' }), 'test.sh': 'exit 0\n' })
    await task.work({ 'test.sh': flaky })
    const { failed } = await task.check(1)
    expect([failed, await statuses(task, 1)]).toEqual([0, { test: 'flaky' }])
  })

  test('files that a check leaves on the first tree are not the task’s', async () => {
    const task = await aReviewedTask(host, { ...project({ test: 'sh test.sh' }), 'test.sh': 'touch litter; exit 0\n' })
    const tree = await task.work({ 'test.sh': 'exit 1\n' })
    await task.check(1)
    expect([await task.sandbox.checkpoint(), await statuses(task, 1)]).toEqual([tree, { test: 'failed' }])
  })

  test('Python’s compiled files of another tree are not believed', async () => {
    const test_ =
      'import unittest\nimport m\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(m.one(), 1)\n'
    const task = await aReviewedTask(host, { 'm.py': 'def one(): return 2\n', 'test_m.py': test_ })
    await task.work({ 'm.py': 'def one(): return 3\n' })
    await task.check(1)
    await task.work({ 'm.py': 'def one(): return 1\n' })
    await task.check(2, { fixRounds: 0 })
    expect([await statuses(task, 1), await statuses(task, 2)]).toEqual([{ test: 'failed_before' }, { test: 'passed' }])
  })
})

describe('a first tree that is in the workspace when its worker goes away', () => {
  const SLOW = { ...project({ test: 'sh test.sh' }), 'test.sh': 'sleep 4\n' }
  const inBaseline = (task: ReviewedTask) =>
    waitFor(
      async () => (await task.sandbox.execs(task.taskId)).some((exec) => exec.execId.startsWith('baseline-')),
      'the baseline runs',
    )

  test('a cancelled attempt puts the task’s files back before it ends', async () => {
    const task = await aReviewedTask(host, SLOW)
    const tree = await task.work({ 'test.sh': 'exit 1\n' })
    let cancel = () => undefined as void
    const running = task.check(1, { onStart: (stop) => void (cancel = stop) })
    const ended = running.then(
      () => 'it ended',
      (error: unknown) => error,
    )
    await inBaseline(task)
    cancel()
    expect(await ended).toBeInstanceOf(CancelledFailure)
    const left = (await task.sandbox.execs(task.taskId)).filter((exec) => exec.status === 'running')
    expect([await task.sandbox.checkpoint(), left]).toEqual([tree, []])
  })

  /** What a kill -9 of the worker in the middle of a baseline leaves: the attempt is cut off, its command goes on. */
  async function diesInBaseline(): Promise<{ task: ReviewedTask; tree: string }> {
    const task = await aReviewedTask(host, SLOW)
    const tree = await task.work({ 'test.sh': 'exit 1\n' })
    let cut = () => undefined as void
    const dead = task.check(1, { reason: 'TIMED_OUT', onStart: (stop) => void (cut = stop) }).then(
      () => 'it ended',
      (error: unknown) => error,
    )
    await inBaseline(task)
    cut()
    expect(await dead).toBeInstanceOf(Error)
    return { task, tree }
  }

  const baselinesOf = async (task: ReviewedTask) =>
    (await task.sandbox.execs(task.taskId))
      .filter((exec) => exec.execId.startsWith('baseline-'))
      .map(({ execId, status }) => [execId, status])

  test('goes on under the next attempt, which starts no second copy and ends with the task’s own files', async () => {
    const { task, tree } = await diesInBaseline()
    const between = { running: await baselinesOf(task), content: await task.contentOf('test.sh') }
    const { failed } = await task.check(1, { attempt: 2 })
    const execId = `baseline-${task.taskId}-1-0`
    expect({
      between,
      baselines: await baselinesOf(task),
      judged: (await task.sandbox.execs(task.taskId)).filter((exec) => exec.execId.startsWith('check-')).length,
      failed,
      tree: await task.sandbox.checkpoint(),
    }).toEqual({
      between: { running: [[execId, 'running']], content: SLOW['test.sh'] },
      baselines: [[execId, 'exited']],
      judged: 1,
      failed: 1,
      tree,
    })
  })

  test('an attempt that slept meanwhile puts back nothing and ends nothing once the next one is at that tree', async () => {
    const { task, tree } = await diesInBaseline()
    const slept = new Attempt(host.db, await task.task())
    const own = await task.sandbox.fenced(slept.lease)
    const next = task.check(1, { attempt: 2 })
    await waitFor(async () => (await task.task()).lease > slept.lease, 'the next attempt begins')
    await waitFor(async () => (await codeOf(task.sandbox.fenced(slept.lease))) === 'lease_lost', 'it is at the files')
    const woken = await codeOf(returnWorkspace(slept, own))
    const { failed } = await next
    const baselines = (await baselinesOf(task)).map(([, status]) => status)
    expect([woken, failed, baselines, await task.sandbox.checkpoint()]).toEqual(['lease_lost', 1, ['exited'], tree])
  })

  test('a task that is cancelled meanwhile ends with its own files, and nothing of it starts any more', async () => {
    const { task, tree } = await diesInBaseline()
    const slept = await task.sandbox.fenced((await task.task()).lease)
    await task.finish({ kind: 'cancelled' })
    expect(await codeOf(slept.start(aSpec('touch late', { taskId: task.taskId })))).toBe('lease_lost')
    const { rows } = await host.db.pool.query('SELECT borrowed_tree FROM projects WHERE id = $1', [task.projectId])
    expect([await task.sandbox.checkpoint(), (await task.task()).latestTree, rows]).toEqual([
      tree,
      tree,
      [{ borrowed_tree: null }],
    ])
  })
})
