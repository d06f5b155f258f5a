/** Publications of which a process dies at a named instant: one commit, one branch, one pull request, one end. */

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ForgeStandIn } from '../support/forges/forge.ts'
import { aGitHub } from '../support/forges/github.ts'
import { aGitHost, type GitHostFixture } from '../support/git-host.ts'
import { scriptOf } from '../support/model-admin.ts'
import { sendTo } from './processes.ts'
import type { ChaosStack, OwnPart } from './stack.ts'

const TOKEN = 'token-of-a-person'
const WORKER_POINTS = [
  'publish.built.before_record',
  'publish.pushed.before_record',
  'publish.opened.before_record',
] as const
const SERVER_POINTS = ['outbox.before_start', 'outbox.started.before_done'] as const
/** What the service is asked for when Temporal is killed. */
const TEMPORAL_POINTS = { 'looking for the pull request': 'GET', 'opening it': 'POST' } as const
const MAX_ROUNDS = 6
const END_MS = 90_000

/** A git host with a service for pull requests on it, which a stack may be told of before it starts. */
export interface PublishHost {
  readonly git: GitHostFixture
  readonly forge: ForgeStandIn
  /** Settings of the stack. */
  readonly settings: NodeJS.ProcessEnv
  /** Called once, before the service answers its next request of this kind. */
  before(method: string, strike: () => void): void
}

/** Starts the host with one repository on it. */
export async function aPublishHost(): Promise<PublishHost> {
  const strikes = new Map<string, () => void>()
  const forge = aGitHub(TOKEN, () => git.origin)
  const git: GitHostFixture = await aGitHost(undefined, (asked, answer) => {
    const isPulls = asked.url?.includes('/pulls') === true
    const strike = isPulls ? strikes.get(asked.method ?? '') : undefined
    if (strike !== undefined) strikes.delete(asked.method ?? '')
    strike?.()
    forge.api(asked, answer)
  })
  git.repository('team/project', 'echo one > a.txt; git add -A; git commit -qm base')
  return {
    git,
    forge,
    settings: { KEELSON_GIT_ORIGINS: git.origin, KEELSON_EXTRA_CA_FILE: git.caFile },
    before: (method, strike) => void strikes.set(method, strike),
  }
}

/** Stands last in its file: its tasks are in nobody's ledger. */
export function publicationCrashSuite(bench: { readonly stack: ChaosStack; readonly host: PublishHost }): void {
  describe('a publication of which a process dies', () => {
    let worker: OwnPart
    /** One project for each publication that is under way at a time, with a task whose change is published. */
    let taskIds: string[] = []

    const call = async <T>(path: string, body?: object, url = bench.stack.url): Promise<T> => {
      const answer = await fetch(`${url}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${bench.stack.token}`,
          'content-type': 'application/json',
          accept: 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as T
    }
    const untilOver = async (table: 'tasks' | 'publications', ids: readonly string[]): Promise<void> => {
      const open = "status NOT IN ('completed', 'failed', 'cancelled', 'finished')"
      const text = `SELECT id FROM ${table} WHERE id = ANY($1) AND ${open}`
      const giveUpAt = Date.now() + END_MS
      while ((await bench.stack.query(text, [ids])).length > 0) {
        if (Date.now() > giveUpAt) throw new Error(`after ${END_MS} ms not all of the ${table} are over`)
        await sleep(100)
      }
    }
    const publish = async (taskId: string, branch: string, url?: string): Promise<string> =>
      (
        await call<{ publicationId: string }>(
          `/api/tasks/${taskId}/publish`,
          { branch, pullRequest: true, clientPublishId: branch },
          url,
        )
      ).publicationId
    /** What there is of a publication, everywhere. */
    const seen = async (id: string, branch: string): Promise<object> => {
      const { status, commit, error } = await call<{ status: string; commit?: string; error?: object }>(
        `/api/publications/${id}`,
      )
      const ends = await bench.stack.query('SELECT 1 FROM events WHERE key = $1', [`publish.finished:${id}`])
      const { git, forge } = bench.host
      const commits = git.inside('team/project', `git rev-list ${branch} ^main`).trim().split('\n')
      return {
        status,
        error,
        commits: commits.length,
        isRecorded: commits[0] === commit,
        pulls: forge.pulls.filter(({ head }) => head === branch).length,
        ends: ends.length,
      }
    }
    const ONCE = { status: 'finished', error: undefined, commits: 1, isRecorded: true, pulls: 1, ends: 1 }

    beforeAll(async () => {
      const { git } = bench.host
      worker = await bench.stack.addWorker('worker-for-publications')
      await call('/api/credentials', { kind: 'git', host: new URL(git.origin).host, value: TOKEN })
      const tools = [{ name: 'bash', input: { command: 'echo two > a.txt' } }]
      taskIds = await Promise.all(
        WORKER_POINTS.map(async (name) => {
          const source = { kind: 'git', url: `${git.origin}/team/project.git` }
          const { id } = await call<{ id: string }>('/api/projects', { name, source })
          const message = scriptOf([{ text: 'Now.', tools }, { text: 'Done.' }])
          return (await call<{ taskId: string }>(`/api/workspace/${id}/claude/chat`, { message })).taskId
        }),
      )
      await untilOver('tasks', taskIds)
    })

    afterAll(async () => {
      await worker?.stop()
    })

    test('a server, as it tells Temporal of it: it is begun once', async () => {
      const died: Record<string, readonly string[]> = {}
      const told: object[] = []
      for (const [index, point] of SERVER_POINTS.entries()) {
        const server = await bench.stack.addServer(`publish-${index}`, { KEELSON_CRASH_POINT: point })
        try {
          // Another server may be quicker to tell Temporal: after enough publications this one has come to its instant.
          for (let round = 1; server.endings.length === 0 && round <= MAX_ROUNDS; round++) {
            const branch = `server-${index}-${round}`
            const ask = (url: string) => publish(taskIds[0] ?? '', branch, url)
            // It may die before it answers; asked again under the same id, it is the same publication.
            const id = await ask(server.url).catch(() => ask(bench.stack.url))
            await untilOver('publications', [id])
            told.push(await seen(id, branch))
          }
          died[point] = server.endings
        } finally {
          await server.stop()
        }
      }
      expect({ died, told }).toEqual({
        died: Object.fromEntries(SERVER_POINTS.map((point) => [point, ['SIGKILL']])),
        told: told.map(() => ONCE),
      })
    })

    test('Temporal, while the service is asked: what was done meanwhile is not done again', async () => {
      const told: Record<string, object> = {}
      for (const [name, method] of Object.entries(TEMPORAL_POINTS)) {
        const branch = `temporal-${method.toLowerCase()}`
        let killed = 0
        bench.host.before(method, () => {
          for (const pid of bench.stack.pidsOf('temporal')) if (sendTo(pid, 'SIGKILL')) killed += 1
        })
        const id = await publish(taskIds[0] ?? '', branch)
        await untilOver('publications', [id])
        told[name] = { ...(await seen(id, branch)), killed }
      }
      expect(told).toEqual(
        Object.fromEntries(Object.keys(TEMPORAL_POINTS).map((name) => [name, { ...ONCE, killed: 1 }])),
      )
    })

    test('a worker, between two steps: another one goes on', async () => {
      const names = WORKER_POINTS.map((_, index) => `publisher-${index}`)
      await worker.stop()
      const workers = await Promise.all(
        WORKER_POINTS.map((point, index) => bench.stack.addWorker(names[index] ?? '', { KEELSON_CRASH_POINT: point })),
      )
      const told: object[] = []
      try {
        // Whichever worker gets a step: after enough publications each has come to its instant.
        for (let round = 1; workers.some(({ endings }) => endings.length === 0) && round <= MAX_ROUNDS; round++) {
          const branches = taskIds.map((_, index) => `worker-${round}-${index}`)
          const ids = await Promise.all(taskIds.map((taskId, index) => publish(taskId, branches[index] ?? '')))
          await untilOver('publications', ids)
          told.push(...(await Promise.all(ids.map((id, index) => seen(id, branches[index] ?? '')))))
        }
        expect({ died: workers.map(({ endings }) => endings), told }).toEqual({
          died: workers.map(() => ['SIGKILL']),
          told: told.map(() => ONCE),
        })
      } finally {
        await Promise.all(workers.map((each) => each.stop()))
      }
      expect(bench.host.forge.violations).toEqual([])
    })
  })
}
