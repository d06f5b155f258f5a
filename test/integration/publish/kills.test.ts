/** A worker that is killed at each named instant of a publication: what it left is gone on with, and nothing is done twice. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CRASH_POINTS } from '../../../src/shared/crash-points.ts'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import { aGitHub } from '../../support/forges/github.ts'
import { aProject } from '../../support/tasks.ts'
import { aPublishWorld, control, type PublishWorld, SECRET } from './world.ts'

const DYING = fileURLToPath(new URL('./dying-worker.ts', import.meta.url))
const POINTS = CRASH_POINTS.filter((point) => point.startsWith('publish.'))
let world: PublishWorld
let forge: ForgeStandIn
beforeAll(async () => {
  forge = aGitHub(SECRET, () => world.host.origin)
  world = await aPublishWorld(forge.api)
  world.host.repository('team/project', 'echo 1 > a; git add -A; git commit -qm base')
  forge.forks.make = () => world.host.fork('team/project', 'someone/project')
}, 60_000)
afterAll(async () => {
  await world?.close()
})

/** The signal that ended the process. */
async function dieAt(point: string, publicationId: string, projectId: string): Promise<NodeJS.Signals | null> {
  const words = [world.db.url, world.dir, world.host.origin, world.host.caFile, publicationId, projectId, point]
  const child = spawn(process.execPath, ['--import', 'tsx', DYING, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return await new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
}

test('killed at every instant there is one commit, one branch, one fork, one pull request and one end', {
  timeout: 180_000,
}, async () => {
  const projectId = await aProject(world.db, world.source('team/project'))
  const taskId = await world.task(projectId, 'echo 2 > a', 'Survive')
  const seen: Record<string, unknown> = {}
  for (const [index, point] of POINTS.entries()) {
    const branch = `kill-${index}`
    const isFork = point.includes('forked')
    const { body } = await world.post(`/api/tasks/${taskId}/publish`, { branch, pullRequest: true, fork: isFork })
    const id = String(body['publicationId'])
    const signal = await dieAt(point, id, projectId)
    const { step: left } = (await world.get(`/api/publications/${id}`)).body
    await world.steps.buildCommit(id, control)
    await world.steps.pushBranch(id, control)
    await world.steps.openPullRequest(id, control)
    await world.steps.finish({ publicationId: id, projectId }, null)
    const { body: ended } = await world.get(`/api/publications/${id}`)
    const { rows } = await world.db.pool.query('SELECT 1 FROM events WHERE key = $1', [`publish.finished:${id}`])
    seen[point] = {
      signal,
      left,
      status: ended['status'],
      commits:
        world.host.inside(isFork ? 'someone/project' : 'team/project', `git rev-list ${branch} ^main`).trim() ===
        ended['commit'],
      pulls: forge.pulls.filter((pull) => pull.head === branch).length,
      ends: rows.length,
    }
  }
  const after = (left: string) => ({ signal: 'SIGKILL', left, status: 'finished', commits: true, pulls: 1, ends: 1 })
  expect({ seen, forks: forge.forks.made, violations: forge.violations }).toEqual({
    seen: {
      'publish.forked.before_record': after('building'),
      'publish.built.before_record': after('building'),
      'publish.recorded': after('pushing'),
      'publish.before_push': after('pushing'),
      'publish.pushed.before_record': after('pushing'),
      'publish.before_open': after('opening'),
      'publish.opened.before_record': after('opening'),
      'publish.ended': after('done'),
    },
    forks: 1,
    violations: [],
  })
})
