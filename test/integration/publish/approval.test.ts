/** Publications that wait for a person's leave: what the database says, step by step; the workflow has tests of its own. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { askToPublish } from '../../../src/db/task/publish-approval.ts'
import { aProject, takeOver } from '../../support/tasks.ts'
import { aPublishWorld, control, errorOf, type PublishWorld } from './world.ts'

let world: PublishWorld
beforeAll(async () => {
  world = await aPublishWorld()
}, 60_000)
afterAll(async () => {
  await world?.close()
})

/** A task of a project whose policy wants a person for publishing, with a publication that asks. */
async function aPublication(name: string): Promise<{ projectId: string; taskId: string; publicationId: string }> {
  world.host.repository(name, 'echo 1 > a; git add -A; git commit -qm base')
  const projectId = await aProject(world.db, world.source(name))
  const path = `/api/workspace/${projectId}/environment`
  const { network, setup } = (await world.get(path)).body
  const approvals = { publishing: true, expiresInHours: 1 }
  const saved = await world.call('PUT', path, { network, setup, approvals }, { 'if-match': '"0"' })
  expect(saved.body['approvals']).toMatchObject(approvals)
  const taskId = await world.task(projectId, 'echo 2 > a', name)
  const asked = await world.post(`/api/tasks/${taskId}/publish`, {})
  expect(asked.status).toBe(202)
  return { projectId, taskId, publicationId: String(asked.body['publicationId']) }
}

const ask = (publicationId: string, isDue = false) => askToPublish(world.db, { publicationId, isDue })
const codeOf = async (asked: Promise<unknown>) => await asked.then(() => 'none').catch((e: { code: string }) => e.code)

async function kindsTold(taskId: string): Promise<unknown[]> {
  const { rows } = await world.db.pool.query<{ kind: string; payload: string }>(
    `SELECT kind, payload FROM outbox WHERE task_id = $1 AND kind IN ('resolve', 'wake') ORDER BY created_at`,
    [taskId],
  )
  return rows.map(({ kind, payload }) => [kind, JSON.parse(payload) as unknown])
}

test('a publication asks once, waits, and goes on when a person approved it; the workflow that is told is its own', async () => {
  const { projectId, taskId, publicationId } = await aPublication('leave')
  const [first, second] = [await ask(publicationId), await ask(publicationId)]
  const approvalId = first.waiting?.approvalId ?? ''
  const [item] = (await world.get(`/api/approvals?projectId=${projectId}`)).body['items'] as Record<string, unknown>[]
  const waits = (await world.get(`/api/publications/${publicationId}`)).body
  const other = await world.post(`/api/tasks/${taskId}/publish`, { branch: 'other' })
  const forTask = await world.post(`/api/approvals/${approvalId}`, { decision: 'approve', scope: 'project' })
  const decided = await world.post(`/api/approvals/${approvalId}`, { decision: 'approve' })
  const again = await world.post(`/api/approvals/${approvalId}`, { decision: 'deny' })
  const after = await ask(publicationId)
  const { step, approvalId: none } = (await world.get(`/api/publications/${publicationId}`)).body
  await world.steps.buildCommit(publicationId, control)
  expect({
    isOne: first.waiting?.approvalId === second.waiting?.approvalId,
    item: [item?.['kind'], item?.['title'], item?.['branch'], item?.['publicationId'] === publicationId],
    waits: [waits['status'], waits['step'], waits['approvalId'] === approvalId],
    other: [other.status, errorOf(other.body)],
    answers: [forTask.status, decided.status, again.status],
    after: after.waiting,
    step: [step, none],
    told: await kindsTold(taskId),
  }).toEqual({
    isOne: true,
    item: ['publish', 'Publish to keelson/leave', 'keelson/leave', true],
    waits: ['running', 'approving', true],
    other: [409, 'publish_running'],
    answers: [400, 200, 409],
    after: null,
    step: ['building', undefined],
    told: [['resolve', { approvalId, decision: 'approve', by: 'user', publicationId }]],
  })
})

test('denied, or without a decision in time, it fails with the reason and the next one may be asked for', async () => {
  const { projectId, taskId, publicationId } = await aPublication('denied')
  const { waiting } = await ask(publicationId)
  await world.post(`/api/approvals/${waiting?.approvalId}`, { decision: 'deny', note: 'Not before Monday.' })
  const denied = await ask(publicationId).catch((error: Error) => error.message)
  const end = { publicationId, projectId }
  await world.steps.finish(end, { code: 'publish_denied', message: 'denied' })
  const next = await world.post(`/api/tasks/${taskId}/publish`, {})
  const late = String(next.body['publicationId'])
  await ask(late)
  expect({
    denied,
    late: await codeOf(ask(late, true)),
    over: ((await world.get('/api/approvals?status=all')).body['items'] as { status: string }[])
      .slice(-2)
      .map(({ status }) => status),
    ledger: ((await world.get(`/api/tasks/${taskId}/evidence`)).body['decisions'] as Record<string, unknown>[]).map(
      ({ kind, status, by, note, decidedAt }) => [kind, status, by, note, typeof decidedAt],
    ),
  }).toEqual({
    denied: 'A person denied this publication. They say: Not before Monday.',
    late: 'publish_denied',
    over: ['denied', 'expired'],
    ledger: [
      ['publish', 'denied', 'user', 'Not before Monday.', 'string'],
      ['publish', 'expired', undefined, undefined, 'string'],
    ],
  })
})

test('what a publication waits for is no matter of a task: one that ends or asks meanwhile leaves it open', async () => {
  const { projectId, publicationId } = await aPublication('beside')
  const { waiting } = await ask(publicationId)
  const taskId = await world.task(projectId, 'echo 3 > a', 'More', { isOver: false })
  const held = await takeOver(world.db, { projectId, taskId })
  await closeTask(held, { kind: 'cancelled', killed: [] })
  const { status } = (await world.get(`/api/approvals/${waiting?.approvalId}`)).body
  expect(status).toBe('open')
})

test('a project that is deleted ends its publications that wait', async () => {
  const { projectId, taskId, publicationId } = await aPublication('deleted')
  await ask(publicationId)
  await fetch(`${world.server.url}/api/projects/${projectId}`, {
    method: 'DELETE',
    headers: { authorization: world.authorization },
  })
  const told = await kindsTold(taskId)
  const code = await codeOf(ask(publicationId))
  await world.steps.finish({ publicationId, projectId }, { code, message: 'gone' })
  const { rows } = await world.db.pool.query<{ status: string }>('SELECT status FROM publications WHERE id = $1', [
    publicationId,
  ])
  expect({ told, code, rows }).toEqual({
    told: [['wake', { publicationId }]],
    code: 'not_found',
    rows: [{ status: 'failed' }],
  })
})
