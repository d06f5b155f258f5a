/** A git host behind TLS with a token, a server, and the steps of publications as a worker runs them. */

import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Db } from '../../../src/db/client.ts'
import { createPublishSteps, type PublishSteps } from '../../../src/publish/publish-steps.ts'
import type { SandboxProvider } from '../../../src/sandbox/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import type { GitSettings } from '../../../src/sources/run-git.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aGitHost, type GitHostFixture, type HostApi } from '../../support/git-host.ts'
import { type Parts, partsOf } from '../restore/support.ts'
import { aServer, type TestServer, TOKEN } from '../server/harness.ts'
import { aTaskThat } from './support.ts'

export const SECRET = 'token-that-nobody-may-see'

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

export interface PublishWorld {
  readonly db: TestDb
  /** Where the sandboxes lie. */
  readonly dir: string
  readonly host: GitHostFixture
  readonly parts: Parts
  readonly steps: PublishSteps
  readonly server: TestServer
  /** The header that lets the tests in. */
  readonly authorization: string
  source(name: string): { kind: 'git'; url: string }
  post(path: string, body: object): Promise<Answer>
  get(path: string): Promise<Answer>
  /** A finished task whose change a command made. */
  task(
    projectId: string,
    command: string,
    text?: string,
    more?: { conversationId?: string; isOver?: boolean },
  ): Promise<string>
  conversationOf(taskId: string): Promise<string>
  call(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>
  /** Asks for a publication, runs its steps to the end, and returns it. */
  publish(taskId: string, wish?: object): Promise<Record<string, unknown>>
  close(): Promise<void>
}

/** The steps as a worker has them. */
export function stepsOf(db: Db, parts: Parts, git: GitSettings): PublishSteps {
  const person = { name: 'Ada', email: 'ada@example.org' }
  return createPublishSteps({
    db,
    staging: parts.staging,
    open: (projectId) => parts.workspaces.open(projectId),
    credentials: parts.credentials,
    forges: [],
    git: { ...git, author: person, committer: person },
  })
}

export const control = { signal: new AbortController().signal, onProgress: () => undefined }

/** `elsewhere`: where the projects' sandboxes are, when they are not local ones. */
export async function aPublishWorld(api?: HostApi, elsewhere?: SandboxProvider): Promise<PublishWorld> {
  const db = await aDb()
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-publish-')))
  const host = await aGitHost(`someone:${SECRET}`, api)
  const git = { origins: [host.origin], extraCaFile: host.caFile }
  const parts = partsOf(db, dir, () => undefined, git, elsewhere)
  await parts.credentials.add({ kind: 'git', host: new URL(host.origin).host, username: 'someone', secret: SECRET })
  const steps = stepsOf(db, parts, git)
  const redisUrl = process.env['KEELSON_TEST_REDIS_URL'] ?? ''
  const deps = {
    workspaces: parts.workspaces,
    restorer: parts.restorer,
    sync: {
      db,
      open: (projectId: string) => parts.workspaces.open(projectId),
      git,
      credentials: parts.credentials,
      staging: parts.staging,
      kick: () => undefined,
    },
  }
  const server = await aServer({ databaseUrl: db.url, redisUrl, deps })
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const answered = async (answer: Response): Promise<Answer> => ({
    status: answer.status,
    body: (await answer.json()) as Record<string, unknown>,
  })
  const world: PublishWorld = {
    db,
    dir,
    host,
    parts,
    steps,
    server,
    authorization: headers.authorization,
    source: (name) => ({ kind: 'git', url: `${host.origin}/${name}.git` }),
    call: async (method, path, body, more = {}) => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      return await answered(await fetch(`${server.url}${path}`, { method, headers: { ...headers, ...more }, ...sent }))
    },
    post: (path, body) => world.call('POST', path, body),
    get: (path) => world.call('GET', path),
    task: (projectId, command, text, more) =>
      aTaskThat({ db, workspaces: parts.workspaces }, projectId, command, text, more),
    conversationOf: async (taskId) => {
      const { rows } = await db.pool.query<{ id: string }>('SELECT conversation_id AS id FROM tasks WHERE id = $1', [
        taskId,
      ])
      return rows[0]?.id ?? ''
    },
    async publish(taskId, wish = {}) {
      const asked = await world.post(`/api/tasks/${taskId}/publish`, wish)
      expect(asked.status, JSON.stringify(asked.body)).toBe(202)
      const id = String(asked.body['publicationId'])
      const projectId = String((await world.get(`/api/publications/${id}`)).body['projectId'])
      try {
        await steps.buildCommit(id, control)
        await steps.pushBranch(id, control)
        await steps.openPullRequest(id, control)
        await steps.finish({ publicationId: id, projectId }, null)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        await steps.finish({ publicationId: id, projectId }, { code: error.code, message: error.message })
      }
      return (await world.get(`/api/publications/${id}`)).body
    },
    async close() {
      await server.close()
      await parts.close()
      await db.close()
      await host.close()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  return world
}

/** The code of an error, as answers and publications hold it. */
export function errorOf(body: Record<string, unknown>): string | undefined {
  return (body['error'] as { code: string } | undefined)?.code
}
