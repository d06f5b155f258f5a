import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCredentials } from '../../../src/credentials/credentials.ts'
import { createDb, type Db } from '../../../src/db/client.ts'
import { endSession, isSessionEnded } from '../../../src/db/ended-sessions.ts'
import { createProject } from '../../../src/db/project/projects.ts'
import { claimSetupToken } from '../../../src/db/setup-tokens.ts'
import { latestSeqs, readEvents } from '../../../src/db/stream/events.ts'
import { prunedSeq } from '../../../src/db/stream/retention.ts'
import { createHub, type Hub } from '../../../src/events/hub.ts'
import { createPublisher, type Publisher } from '../../../src/events/publisher.ts'
import { DEFAULT_CRITERIA } from '../../../src/review/criteria.ts'
import { createApp } from '../../../src/server/app.ts'
import { createAuth } from '../../../src/server/auth.ts'
import type { AppDeps } from '../../../src/server/deps.ts'
import { createOriginReader, createRequestOriginReader } from '../../../src/server/forwarded.ts'
import { createHostCheck } from '../../../src/server/guards.ts'
import { closeHttpServer, createHttpServer, listen } from '../../../src/server/http-server.ts'
import { createPreviews } from '../../../src/server/preview/previews.ts'
import { createSse, type Sse } from '../../../src/server/sse.ts'
import { SSE_LIMITS, type SseLimits, type SseStats } from '../../../src/server/sse-connection.ts'
import { AppError } from '../../../src/shared/errors.ts'

import { aDatabase } from '../../support/database.ts'
import { waitFor } from '../../support/wait-for.ts'

export { aDatabase }
export const until = waitFor

export const TOKEN = 'token-of-the-tests-0123456789'
export const SETUP = 'setup-of-the-tests-0123456789'
export const MODELS = ['claude-haiku-4-5', 'claude-haiku-5-5']

export const silent = { debug() {}, info() {}, warn() {}, error() {} }

export interface OwnRedis {
  readonly url: string
  readonly pid: number
  start(): Promise<void>
  /** kill -9, as a crash. */
  kill(): Promise<void>
  close(): Promise<void>
}

/** A Redis that a test may stop, freeze and flush. Keeps nothing over a restart. */
export async function anOwnRedis(): Promise<OwnRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'keelson-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const binary = process.env['KEELSON_TEST_REDIS_BINARY'] ?? 'redis-server'
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir]
    child = spawn(binary, options, { stdio: 'ignore' })
    await until(() => accepts(port), 'redis answers')
  }
  const kill = async (): Promise<void> => {
    const running = child
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? 0
    },
    start,
    kill,
    close: async () => {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly db: Db
  readonly hub: Hub
  readonly sse: Sse
  readonly publisher: Publisher
  readonly app: ReturnType<typeof createApp>
  readonly closed: SseStats[]
  readonly kicks: () => number
  aProject(): Promise<string>
  close(): Promise<void>
}

/** {@link aServer} over a database and a Redis of its own, which go with it. */
export async function aServerWithStores(): Promise<TestServer> {
  const database = await aDatabase()
  const redis = await anOwnRedis()
  const server = await aServer({ databaseUrl: database.url, redisUrl: redis.url })
  return {
    ...server,
    close: async () => {
      await server.close()
      await redis.close()
      await database.drop()
    },
  }
}

/** The server with real Postgres and Redis; only Temporal is left out, so tasks stay as they were accepted. */
export async function aServer(options: {
  databaseUrl: string
  redisUrl: string
  limits?: Partial<SseLimits>
  setupToken?: string
  trustedProxies?: readonly string[]
  maxStreams?: number
  deps?: Partial<AppDeps>
  settings?: Partial<AppDeps['settings']>
}): Promise<TestServer> {
  const publisher = createPublisher({ redisUrl: options.redisUrl, log: silent })
  const db = createDb({
    url: options.databaseUrl,
    applicationName: 'keelson-test',
    poolSize: 10,
    onEvents: publisher.publishEvents,
    onConnectionError: () => undefined,
  })
  const hub = createHub({
    redisUrl: options.redisUrl,
    source: {
      readEvents: (asked) => readEvents(db, asked),
      latestSeqs: (ids) => latestSeqs(db, ids),
      prunedSeq: (stream) => prunedSeq(db, stream),
    },
    log: silent,
  })
  const closed: SseStats[] = []
  const sse = createSse({
    maxStreams: options.maxStreams ?? 20_000,
    limits: { ...SSE_LIMITS, ...options.limits },
    onClose: (stats) => closed.push(stats),
  })
  const readOrigin = createOriginReader(options.trustedProxies ?? [])
  const auth = createAuth({
    apiToken: TOKEN,
    setupToken: options.setupToken ?? SETUP,
    readOrigin,
    sessions: {
      isEnded: (session) => isSessionEnded(db, session),
      end: (which, at) => endSession(db, which, at),
    },
    claimSetupToken: (hash) => claimSetupToken(db, hash),
  })
  const workspaces = options.deps?.workspaces ?? {
    open: () => Promise.reject(new AppError('sandbox_unavailable', 'No sandbox in this test.')),
    openExisting: () => Promise.resolve(null),
  }
  let kicks = 0
  const app = createApp({
    db,
    hub,
    sse,
    log: silent,
    auth,
    readOrigin,
    dispatcher: { kick: () => kicks++ },
    workspaces,
    sandboxes: {
      kinds: ['local-bwrap'],
      of: () => {
        throw new AppError('sandbox_unavailable', 'No sandbox in this test.')
      },
    },
    credentials: createCredentials({ db, key: () => new Uint8Array(32).fill(7) }),
    sync: {
      db,
      open: () => Promise.reject(new AppError('sandbox_unavailable', 'No sandbox in this test.')),
      git: { origins: [] },
      credentials: createCredentials({ db, key: () => new Uint8Array(32).fill(7) }),
      staging: null,
      kick: () => undefined,
    },
    restorer: { restore: () => Promise.reject(new AppError('sandbox_unavailable', 'No sandbox in this test.')) },
    workers: () => Promise.resolve('none'),
    sandboxState: () => Promise.resolve(null),
    readiness: () =>
      Promise.resolve({
        isReady: true,
        parts: {},
      }),
    checkModel: (model) => {
      if (MODELS.includes(model)) return
      throw new AppError('bad_request', `Known models: ${MODELS.join(', ')}.`, { details: { model: 'unknown model' } })
    },
    ...options.deps,
    settings: {
      allowedHosts: [],
      isLoopback: true,
      projectRoots: [],
      gitOrigins: [],
      gitAuthor: { name: 'Keelson', email: 'keelson@localhost' },
      sandboxProvider: 'local-bwrap',
      model: {
        kind: 'scripted',
        name: 'claude-haiku-4-5',
      },
      defaultBudget: {
        maxUsd: 5,
        maxTurns: 200,
        maxMinutes: 120,
      },
      defaultCriteria: DEFAULT_CRITERIA,
      defaultNetwork: 'none',
      maxServices: 4,
      registries: () => [],
      ...options.settings,
    },
  })
  const previews = createPreviews({
    db,
    workspaces,
    auth,
    log: silent,
    readOrigin: createRequestOriginReader(options.trustedProxies ?? []),
    isOwnHost: createHostCheck({ allowedHosts: [], isLoopback: true, ...options.settings }),
    settings: { allowedHosts: [], ...options.settings },
    firstByteMs: 1_500,
  })
  const server = createHttpServer(app, previews)
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  return {
    port,
    db,
    hub,
    sse,
    publisher,
    app,
    closed,
    url: `http://127.0.0.1:${port}`,
    kicks: () => kicks,
    aProject: async () => {
      const input = {
        name: 'test',
        source: { kind: 'empty' } as const,
        sandboxProvider: 'local-bwrap',
      }
      return (await createProject(db, input)).id
    },
    close: async () => {
      sse.endAll(0)
      previews.close()
      await closeHttpServer(server, 1e3)
      hub.close()
      await publisher.close()
      await db.close()
    },
  }
}
