/** A server with real sandboxes and a keeper of services, as the two processes are: all that previews need but a page. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createWorkspaceStore } from '../../../src/db/workspace/workspace-store.ts'
import { createPublisher } from '../../../src/events/publisher.ts'
import { createSandboxProviders } from '../../../src/sandbox/create.ts'
import { createWorkspaces, type Workspaces } from '../../../src/sandbox/workspaces.ts'
import type { AppDeps } from '../../../src/server/deps.ts'
import { keepServices, type ServiceKeeper } from '../../../src/worker/services/keep-services.ts'
import { aDatabase, anOwnRedis, aServer, silent, type TestServer, TOKEN, until } from './harness.ts'

export interface ShownService {
  readonly id: string
  readonly state: string
  readonly port: number | null
  readonly ports: readonly number[]
  readonly reason?: string
  readonly exitCode: number | null
  readonly tail: string
}

export interface ServiceHost {
  readonly server: TestServer
  readonly db: Db
  readonly workspaces: Workspaces
  readonly keepers: ServiceKeeper[]
  aKeeper(): ServiceKeeper
  call<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }>
  /** Starts a service and returns its id. */
  start(projectId: string, command: string, more?: object): Promise<string>
  list(projectId: string): Promise<readonly ShownService[]>
  inState(projectId: string, id: string, state: string): Promise<ShownService>
  close(): Promise<void>
}

/** The path of a project's services. */
export const at = (projectId: string) => `/api/workspace/${projectId}/services`

export async function aServiceHost(settings: Partial<AppDeps['settings']> = {}): Promise<ServiceHost> {
  const database = await aDatabase()
  const redis = await anOwnRedis()
  const dir = await mkdtemp(join(tmpdir(), 'keelson-services-'))
  const providers = createSandboxProviders({ kind: 'local-bwrap', dir, logger: silent })
  const publisher = createPublisher({ redisUrl: redis.url, log: silent })
  const db = createDb({
    url: database.url,
    applicationName: 'keelson-test-worker',
    poolSize: 5,
    onEvents: publisher.publishEvents,
    onConnectionError: () => undefined,
  })
  const workspaces = createWorkspaces({
    store: createWorkspaceStore(db),
    provider: providers,
    fill: async () => undefined,
  })
  const server = await aServer({ databaseUrl: database.url, redisUrl: redis.url, deps: { workspaces }, settings })
  const keepers: ServiceKeeper[] = []
  const self: ServiceHost = {
    server,
    db,
    workspaces,
    keepers,
    aKeeper() {
      const idleMs = 3_600_000
      const keeper = keepServices({ db, workspaces, publisher, log: silent, defaultNetwork: 'none', idleMs })
      keepers.push(keeper)
      return keeper
    },
    async call<T>(method: string, path: string, body?: object) {
      const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) }
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
      const response = await fetch(`${server.url}${path}`, init)
      const text = await response.text()
      return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T }
    },
    async start(projectId, command, more = {}) {
      const { status, body } = await self.call<ShownService>('POST', at(projectId), { command, ...more })
      if (status !== 201) throw new Error(`the service was not started: ${JSON.stringify(body)}`)
      return body.id
    },
    async list(projectId) {
      return (await self.call<{ items: ShownService[] }>('GET', at(projectId))).body.items
    },
    async inState(projectId, id, state) {
      return await until(
        async () => (await self.list(projectId)).find((service) => service.id === id && service.state === state),
        `${id} is ${state}`,
      )
    },
    async close() {
      for (const keeper of keepers) await keeper.close()
      await server.close()
      await providers.close()
      await publisher.close()
      await db.close()
      await redis.close()
      await database.drop()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  self.aKeeper()
  return self
}
