import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { finishRound } from '../../../src/db/review/reviews.ts'
import { nextState } from '../../../src/review/next-state.ts'
import { newId } from '../../../src/shared/ids.ts'
import { post, takeOver } from '../../support/tasks.ts'
import { aReviewedTask, aReviewHost, type ReviewedTask, type ReviewHost } from './host.ts'

let host: ReviewHost
beforeAll(async () => {
  host = await aReviewHost()
})
afterAll(() => host.close())

const START = {
  'package.json': JSON.stringify({ scripts: { test: 'sh test.sh', lint: 'sh lint.sh' } }),
  'test.sh': 'exit 0\n',
  'lint.sh': 'exit 0\n',
}

/** Ends round 1 as a reviewer that found something blocking would. */
async function findSomething(task: ReviewedTask): Promise<void> {
  const { review, latestTree } = await task.task()
  const input = { round: 1, treeHash: latestTree ?? '', fixRounds: 0, maxFixRounds: 2 }
  const held = await takeOver(host.db, task, { phase: 'reviewing' })
  const finding = {
    id: newId('fnd'),
    severity: 'blocking',
    file: 'a.txt',
    claim: 'It is wrong',
    evidence: 'a.txt says so',
  }
  await finishRound(
    held,
    {
      ...{ round: 1, verdict: 'issues_found', summary: 'One issue.', settled: [] },
      review: nextState(review, input, { verdict: 'issues_found', open: 1, resolved: 0 }, 0),
      findings: [{ ...finding, severity: 'blocking', state: 'open' }],
      fixNotice: { id: newId('req'), text: 'Mend it.' },
    },
    () => [],
  )
}

/** What the coder was told after a round. */
async function toldAfter(task: ReviewedTask, round: number): Promise<string> {
  const { rows } = await host.db.pool.query<{ text: string }>(
    'SELECT text FROM notices WHERE task_id = $1 AND key = $2',
    [task.taskId, `fix:${round}`],
  )
  return rows[0]?.text ?? ''
}

describe('a fix that makes checks worse', () => {
  test('is taken back to the tree of the round before, told to the coder, and shown', async () => {
    const task = await aReviewedTask(host, START)
    const judged = await task.work({ 'a.txt': 'first\n' })
    await task.check(1)
    await findSomething(task)
    const worse = await task.work({ 'a.txt': 'second\n', 'b.txt': 'new\n', 'test.sh': 'echo broken; exit 1\n' })
    const { failed, review } = await task.check(2)
    const [, second] = await task.rounds()
    const { latestTree, diffStat } = await task.task()
    const told = await toldAfter(task, 2)
    const shown = (await task.frames()).filter(
      (frame) => frame.type === 'checkpoint.restored' || frame['source'] === 'restore',
    )
    const verdict = (await task.frames()).find((frame) => frame.type === 'review.verdict')
    expect({
      settled: [verdict?.['round'], verdict?.['findings']],
      failed,
      review: { ...review, history: review.history.at(-1) },
      round: [second?.verdict, second?.treeHash, second?.restoredTree],
      files: [await task.sandbox.checkpoint(), latestTree, diffStat],
      told: [told.includes('was taken back'), told.includes('broken'), told.includes('It is wrong')],
      shown: shown.map(({ type, path, kind, treeHash, from }) => [type, path ?? treeHash, kind ?? from]),
    }).toEqual({
      settled: [2, (await task.rounds())[0]?.findings.map(({ id }) => ({ id, state: 'open' }))],
      failed: 1,
      review: {
        ...{ status: 'fixing', round: 2, fixRounds: 2, maxFixRounds: 2, verdict: 'issues_found', treeHash: judged },
        findings: { open: 1, resolved: 0 },
        history: {
          ...{ round: 2, verdict: 'checks_failed', treeHash: worse, checksFailed: 1, findingsOpen: 1 },
          ...{ findingsResolved: 0, rolledBackTo: judged },
        },
      },
      round: ['checks_failed', worse, judged],
      files: [judged, judged, { files: 1, added: 1, removed: 0 }],
      told: [true, true, true],
      shown: [
        ['file.changed', 'a.txt', 'modify'],
        ['file.changed', 'b.txt', 'delete'],
        ['file.changed', 'test.sh', 'modify'],
        ['checkpoint.restored', judged, worse],
      ],
    })

    // The next fix is compared with the tree that stands, not with the one that was taken back.
    const third = await task.work({ 'a.txt': 'third\n', 'lint.sh': 'exit 1\n' })
    const last = await task.check(3)
    expect({
      review: [last.review.status, last.review.treeHash, last.review.history.at(-1)?.rolledBackTo],
      files: await task.sandbox.checkpoint(),
      third: (await task.rounds())[2]?.treeHash,
    }).toEqual({ review: ['issues_remaining', judged, judged], files: judged, third })
  })

  test('a second attempt of the round finds it done and tells nothing twice', async () => {
    const task = await aReviewedTask(host, START)
    const judged = await task.work({ 'a.txt': 'first\n' })
    await task.check(1)
    await findSomething(task)
    await task.work({ 'test.sh': 'exit 1\n' })
    const { latestTree } = await task.task()
    const first = await task.check(2)
    // As if the worker had died before the round's end was stored.
    await host.db.pool.query(
      'UPDATE review_rounds SET finished_at = NULL, verdict = NULL, restored_tree = NULL WHERE task_id = $1 AND round = 2',
      [task.taskId],
    )
    await host.db.pool.query('UPDATE tasks SET latest_tree = $2 WHERE id = $1', [task.taskId, latestTree])
    const again = await task.check(2, { attempt: 2 })
    const types = (await task.frames()).map((frame) => frame.type)
    expect({
      same: [again.failed, again.review.treeHash, again.review.status],
      restored: types.filter((type) => type === 'checkpoint.restored').length,
      verdicts: types.filter((type) => type === 'review.verdict').length,
      files: await task.sandbox.checkpoint(),
    }).toEqual({
      same: [first.failed, judged, 'fixing'],
      restored: 1,
      verdicts: 1,
      files: judged,
    })
  })

  test.each([
    ['mends one check and breaks another', { 'test.sh': 'exit 0\n', 'lint.sh': 'exit 1\n' }],
    ['leaves as many failing', { 'test.sh': 'exit 3\n' }],
  ])('a fix that %s is no worse and stays', async (_what, fix) => {
    const task = await aReviewedTask(host, START)
    await task.work({ 'test.sh': 'exit 1\n' })
    await task.check(1)
    const fixed = await task.work(fix)
    const { review } = await task.check(2)
    expect([review.status, review.treeHash, await task.sandbox.checkpoint()]).toEqual(['fixing', fixed, fixed])
  })

  test('nothing is taken back that the user may have asked for meanwhile', async () => {
    const task = await aReviewedTask(host, START)
    await task.work({ 'a.txt': 'first\n' })
    await task.check(1)
    await findSomething(task)
    await post(host.db, { projectId: task.projectId, text: 'And let the test fail.' })
    const asked = await task.work({ 'test.sh': 'exit 1\n' })
    const { review } = await task.check(2)
    expect([review.status, await task.sandbox.checkpoint()]).toEqual(['fixing', asked])
  })
})

describe('a fix round that changes nothing', () => {
  const rounds = async (task: ReviewedTask) =>
    (await task.rounds()).map(({ round, verdict, treeHash, findings }) => [round, verdict, treeHash, findings.length])
  const checkRuns = async (task: ReviewedTask) =>
    (await task.sandbox.execs(task.taskId)).filter((exec) => exec.execId.startsWith('check-')).length

  test('and disputes nothing ends the review at once: no check is run again, no reviewer is asked', async () => {
    const task = await aReviewedTask(host, START)
    const judged = await task.work({ 'a.txt': 'first\n' })
    await task.check(1)
    await findSomething(task)
    const { failed } = await task.check(2)
    const ended = await task.review(2)
    const told = (await task.frames()).filter((frame) => frame.type === 'review.verdict')
    expect({
      failed,
      ended: [ended.verdict, ended.review.status, ended.review.findings, ended.review.maxFixRounds],
      again: await task.review(2),
      rounds: await rounds(task),
      runs: await checkRuns(task),
      fix: await toldAfter(task, 2),
      told: told.map((frame) => [frame['round'], frame['verdict'], frame['evidence']]),
    }).toEqual({
      failed: 0,
      ended: ['issues_found', 'issues_remaining', { open: 1, resolved: 0 }, 2],
      again: ended,
      rounds: [
        [1, 'issues_found', judged, 1],
        [2, 'issues_found', judged, 0],
      ],
      runs: 2,
      fix: '',
      told: [[2, 'issues_found', 'verified']],
    })
  })

  test('after failing checks runs them once more, and then there is no further fix', async () => {
    const task = await aReviewedTask(host, START)
    await task.work({ 'test.sh': 'exit 1\n' })
    const first = await task.check(1)
    const second = await task.check(2)
    expect([first.review.status, second.review.status, second.failed, await toldAfter(task, 2)]).toEqual([
      'fixing',
      'issues_remaining',
      1,
      '',
    ])
  })

  test('though the user said something is reviewed like any other', async () => {
    const task = await aReviewedTask(host, START)
    await task.work({ 'a.txt': 'first\n' })
    await task.check(1)
    await findSomething(task)
    await post(host.db, { projectId: task.projectId, text: 'Look again.' })
    await task.check(2)
    expect(await checkRuns(task)).toBe(4)
    await expect(task.review(2)).rejects.toBeInstanceOf(Error)
  })
})
