/** The server process: settings, what it leans on, the app, and a clean end in the reverse order. */

import { ConfigError, isLoopback, loadConfig } from '../config.ts'
import { type Credentials, createCredentials } from '../credentials/credentials.ts'
import { openSealingKey } from '../credentials/key.ts'
import type { Db } from '../db/client.ts'
import { endSession, isSessionEnded } from '../db/ended-sessions.ts'
import { claimSetupToken } from '../db/setup-tokens.ts'
import { readDepths } from '../db/stream/depths.ts'
import { latestSeqs, readEvents } from '../db/stream/events.ts'
import { prunedSeq } from '../db/stream/retention.ts'
import { createWorkspaceRecovery, createWorkspaceStore } from '../db/workspace/workspace-store.ts'
import { gatewayPaths } from '../egress/gateway-files.ts'
import { type KnownRegistries, readRegistries } from '../egress/registries/discover.ts'
import { createHub } from '../events/hub.ts'
import { createPublisher } from '../events/publisher.ts'
import { createLogger } from '../logger.ts'
import { createServerMetrics } from '../metrics/server-metrics.ts'
import { profileFor } from '../model/profiles.ts'
import { openDatabase, openSandboxes, sandboxesDirOf } from '../process-parts.ts'
import { guardWorkspaces } from '../restore/guard-workspaces.ts'
import { createRestorer } from '../restore/restorer.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { taskInput } from '../review/task-input.ts'
import { stagingOf } from '../sandbox/create.ts'
import { DEFAULT_LIMITS } from '../sandbox/local-bwrap/limits.ts'
import type { SandboxProviders } from '../sandbox/providers.ts'
import { createWorkspaces, type Workspaces } from '../sandbox/workspaces.ts'
import type { Config } from '../settings/config-groups.ts'
import { armCrashPoint } from '../shared/crash-points.ts'
import type { CodingTaskInput } from '../shared/task.ts'
import { createFiller } from '../sources/fill-project.ts'
import { sampleProjectFiles } from '../standin/sample-project.ts'
import { createApp } from './app.ts'
import { createAuth, type EndedSessions } from './auth.ts'
import type { AppDeps } from './deps.ts'
import { createDispatcher } from './dispatcher.ts'
import { createOriginReader, createRequestOriginReader } from './forwarded.ts'
import { createHostCheck } from './guards.ts'
import { closeHttpServer, createHttpServer, listen } from './http-server.ts'
import { createPreviews } from './preview/previews.ts'
import { createReadiness } from './readiness.ts'
import { createSandboxWatch } from './sandbox-watch.ts'
import { createSse } from './sse.ts'
import { createTemporal } from './temporal.ts'
import { startWatchdog } from './watchdog.ts'
import { createWorkers } from './workers.ts'

/** Readers told to come back do so within this time, and requests have as long to finish. */
const COME_BACK_SPREAD_MS = 3_000
const CLOSE_TIMEOUT_MS = 5_000

type Logger = ReturnType<typeof createLogger>

async function main(): Promise<void> {
  const config = loadConfig(process.env, { callsModel: false })
  const log = createLogger({ level: config.log.level, name: 'server' })
  if (config.crashPoint !== undefined) armCrashPoint(config.crashPoint, () => process.kill(process.pid, 'SIGKILL'))
  const metrics = createServerMetrics()
  const publisher = createPublisher({ redisUrl: config.redis.url, log })
  const db = openDatabase(config, { applicationName: 'keelson-server', publisher, metrics, log })
  const temporal = createTemporal(config.temporal)
  const dispatcher = createDispatcher({ db, temporal, log, inputFor: (taskId) => inputFor(db, config, taskId) })
  const hub = createHub({
    redisUrl: config.redis.url,
    source: sourceOf(db),
    log,
    onOutboxHint: dispatcher.kick,
    onDelivered: metrics.onDelivered,
  })
  const stopWatchdog = startWatchdog({ db, temporal, log, onClosed: dispatcher.kick })
  const sse = createSse({
    maxStreams: config.server.maxStreams,
    onClose: ({ reason, frames, bytes }, { projectId, taskId }) => {
      metrics.onStreamClosed({ reason, frames, bytes })
      log.debug({ reason, frames, bytes, projectId, taskId }, 'a stream ended')
    },
  })
  const credentials = credentialsOf(db, config)
  const registries = () => knownRegistries(config)
  const provider = openSandboxes(config, { db, log, credentials, registries })
  const unguarded = workspacesOf(db, provider, credentials, config)
  const restorer = createRestorer({ db, workspaces: unguarded, log, kick: dispatcher.kick })
  const workspaces = guardWorkspaces(unguarded, restorer)
  const readOrigin = createOriginReader(config.server.trustedProxies)
  const auth = createAuth({
    ...config.server,
    readOrigin,
    sessions: endedSessions(db),
    claimSetupToken: (hash) => claimSetupToken(db, hash),
  })
  const settings = settingsOf(config)
  let isDraining = false
  const app = createApp({
    db,
    hub,
    sse,
    dispatcher,
    log,
    auth,
    readOrigin,
    workspaces,
    sandboxes: provider,
    credentials,
    sync: {
      db,
      open: (projectId) => workspaces.open(projectId),
      git: config.git,
      credentials,
      staging: stagingOf(provider),
      kick: dispatcher.kick,
    },
    restorer,
    workers: createWorkers({ db, temporal }),
    sandboxState: createSandboxWatch(provider).state,
    readiness: createReadiness({
      db,
      hub,
      temporal,
      dispatcher,
      isDraining: () => isDraining,
    }),
    metrics: {
      middleware: metrics.middleware,
      contentType: metrics.contentType,
      text: () => metrics.text({ hub, sse, publisher, db, readDepths: () => readDepths(db) }),
    },
    checkModel: (model) => void profileFor(model, { compat: config.model.isCompat }),
    settings,
  })
  const previews = createPreviews({
    db,
    workspaces,
    auth,
    log,
    readOrigin: createRequestOriginReader(config.server.trustedProxies),
    isOwnHost: createHostCheck(settings),
    settings,
  })
  const server = createHttpServer(app, previews)
  const port = await listen(server, config.server)
  log.info({ config: config.toJSON(), port }, 'listening')
  restorer.settleAll().catch((error: unknown) => log.warn({ err: error }, 'pending restores are left to the sweep'))
  // Whoever started this process waits for this line, so it does not depend on the log level.
  process.stdout.write(`${JSON.stringify({ level: 'info', name: 'server', pid: process.pid, msg: 'server ready' })}\n`)

  const stop = async (): Promise<void> => {
    isDraining = true
    stopWatchdog()
    sse.endAll(COME_BACK_SPREAD_MS)
    previews.close()
    await closeHttpServer(server, CLOSE_TIMEOUT_MS)
    await dispatcher.close()
    hub.close()
    await provider.close()
    await temporal.close()
    await publisher.close()
    await db.close()
  }
  stopOnSignal(stop, log)
}

/** A second signal does not wait; a stop that hangs is ended. */
function stopOnSignal(stop: () => Promise<void>, log: Logger): void {
  let isStopping = false
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), 2 * CLOSE_TIMEOUT_MS).unref()
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the stop failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

function sourceOf(db: Db) {
  return {
    readEvents: (options: Parameters<typeof readEvents>[1]) => readEvents(db, options),
    latestSeqs: (projectIds: readonly string[]) => latestSeqs(db, projectIds),
    prunedSeq: (stream: Parameters<typeof prunedSeq>[1]) => prunedSeq(db, stream),
  }
}

async function inputFor(db: Db, config: Config, taskId: string): Promise<CodingTaskInput> {
  return await taskInput(db, taskId, {
    budgetWaitHours: config.budgets.waitHours,
    continueAsNewAfterEvents: config.agent.continueAsNewAfterEvents,
  })
}

function workspacesOf(db: Db, provider: SandboxProviders, credentials: Credentials, config: Config): Workspaces {
  const workspaces = createWorkspaces({
    provider,
    store: createWorkspaceStore(db),
    recovery: createWorkspaceRecovery(db),
    fill: createFiller({
      db,
      sampleFiles: sampleProjectFiles,
      projectRoots: config.server.projectRoots,
      git: config.git,
      credentials,
      staging: stagingOf(provider),
      openExisting: (projectId) => workspaces.openExisting(projectId),
    }),
  })
  return workspaces
}

function credentialsOf(db: Db, config: Config): Credentials {
  return createCredentials({ db, key: () => openSealingKey(config.home, config.credentials.key) })
}

function knownRegistries(config: Config): KnownRegistries {
  return readRegistries(gatewayPaths(sandboxesDirOf(config)).registries)
}

function settingsOf(config: Config): AppDeps['settings'] {
  const { maxUsd, maxTurns, maxMinutes } = config.budgets
  return {
    allowedHosts: [config.server.host, ...config.server.allowedHosts],
    isLoopback: isLoopback(config.server.host),
    projectRoots: config.server.projectRoots,
    gitOrigins: config.git.origins,
    gitAuthor: config.git.author,
    sandboxProvider: config.sandbox.provider,
    model: { kind: config.model.kind, name: config.model.name },
    defaultBudget: { maxUsd, maxTurns, maxMinutes },
    defaultCriteria: DEFAULT_CRITERIA,
    defaultNetwork: config.network.policy,
    maxServices: DEFAULT_LIMITS.maxServices,
    previewDomain: config.server.previewDomain,
    registries: () => knownRegistries(config).tools,
    temporalWebUrl: config.server.temporalWebUrl,
    temporalNamespace: config.temporal.namespace,
  }
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigError ? error.message : (error instanceof Error && error.stack) || String(error)
  process.stderr.write(`${text}\n`)
  process.exit(1)
})

function endedSessions(db: Db): EndedSessions {
  return {
    isEnded: (session) => isSessionEnded(db, session),
    end: (which, at) => endSession(db, which, at),
  }
}
