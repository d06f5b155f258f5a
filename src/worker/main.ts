/** The worker process: config → parts → activities → worker → run → close in reverse order. */

import { NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { createActivities } from '../activities/index.ts'
import { loadConfig } from '../config.ts'
import { createCredentials } from '../credentials/credentials.ts'
import { openSealingKey } from '../credentials/key.ts'
import { createWorkspaceRecovery, createWorkspaceStore } from '../db/workspace/workspace-store.ts'
import { keepRegistries } from '../egress/registries/keep-registries.ts'
import { createPublisher } from '../events/publisher.ts'
import { createLogger, toTemporalLogger } from '../logger.ts'
import { type MetricsListener, startMetricsListener } from '../metrics/listener.ts'
import { createWorkerMetrics } from '../metrics/worker-metrics.ts'
import { createAnthropicModel } from '../model/anthropic.ts'
import { createGatedModel } from '../model/gated-model.ts'
import { createKnownLimits } from '../model/known-limits.ts'
import { listServerModels } from '../model/server-models.ts'
import { openDatabase, openSandboxes, sandboxesDirOf } from '../process-parts.ts'
import { createPublishSteps } from '../publish/publish-steps.ts'
import { guardWorkspaces } from '../restore/guard-workspaces.ts'
import { createRestorer } from '../restore/restorer.ts'
import { stagingOf } from '../sandbox/create.ts'
import { createWorkspaces } from '../sandbox/workspaces.ts'
import { armCrashPoint } from '../shared/crash-points.ts'
import { TASK_QUEUE } from '../shared/task.ts'
import { createFiller } from '../sources/fill-project.ts'
import { sampleProjectFiles } from '../standin/sample-project.ts'
import { bundleWorkflows } from './bundle.ts'
import { readCancelTime } from './cancel-time.ts'
import { connectWithPatience } from './connect.ts'
import { startLiveness } from './liveness.ts'
import { runUntilTold } from './run-until-told.ts'
import { keepServices } from './services/keep-services.ts'
import { sliceMsFor } from './slice.ts'
import { startSweep } from './sweep.ts'

const TEMPORAL_TIMEOUT_MS = 1_000
/** How long a task waits for its project's files, which another process may be bringing in; below the activity's own ten minutes. */
const PREPARE_PATIENCE_MS = 9 * 60_000
const TAKES_TASKS: ReadonlySet<string> = new Set(['INITIALIZED', 'RUNNING'])

const config = loadConfig(process.env)
const log = createLogger({ level: config.log.level, name: 'worker' })
if (config.crashPoint !== undefined) armCrashPoint(config.crashPoint, () => process.kill(process.pid, 'SIGKILL'))

const metrics = createWorkerMetrics()
const publisher = createPublisher({ redisUrl: config.redis.url, log, name: 'keelson-worker' })
const db = openDatabase(config, { applicationName: 'keelson-worker', publisher, metrics, log })
const registries = keepRegistries({
  sandboxesDir: sandboxesDirOf(config),
  env: config.network.toolEnv,
  named: config.network.registries,
  onFailure: (error) => log.warn({ err: error }, 'the package managers could not be asked for their registries'),
})
const credentials = createCredentials({ db, key: () => openSealingKey(config.home, config.credentials.key) })
const provider = openSandboxes(
  config,
  { db, log, credentials, registries: registries.known },
  { keptBytes: config.sandbox.keptBytes, registriesReady: registries.ready },
)
const probe = await provider.probe()
if (!probe.ok) {
  log.fatal({ provider: provider.kind }, probe.detail)
  process.exit(78)
}
log.info({ provider: provider.kind, isolation: probe.isolation }, probe.detail)
const unguarded = createWorkspaces({
  store: createWorkspaceStore(db),
  recovery: createWorkspaceRecovery(db),
  provider,
  patienceMs: PREPARE_PATIENCE_MS,
  fill: createFiller({
    db,
    sampleFiles: sampleProjectFiles,
    projectRoots: config.server.projectRoots,
    git: config.git,
    credentials,
    staging: stagingOf(provider),
    openExisting: (projectId) => unguarded.openExisting(projectId),
  }),
})
const restorer = createRestorer({ db, workspaces: unguarded, log, kick: publisher.hintOutbox })
const workspaces = guardWorkspaces(unguarded, restorer)
const { isCompat, firstEventTimeoutMs, stallTimeoutMs } = config.model
const { baseUrl, apiKey } = config.model
const limits = createKnownLimits({
  compat: isCompat,
  set: config.model.limits,
  ...(isCompat && baseUrl !== undefined ? { list: () => listServerModels({ baseUrl, apiKey }) } : {}),
})
const publishing = createPublishSteps({
  db,
  staging: stagingOf(provider),
  open: (projectId) => workspaces.open(projectId),
  credentials,
  git: config.git,
  forges: config.forges,
})
const model = createGatedModel(
  metrics.measureModel(
    createAnthropicModel({
      ...(apiKey === undefined ? {} : { apiKey }),
      kind: config.model.kind,
      compat: isCompat,
      logger: log,
      ...(baseUrl === undefined ? {} : { baseUrl }),
      ...(firstEventTimeoutMs === undefined ? {} : { firstEventTimeoutMs }),
      ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
    }),
  ),
)

Runtime.install({
  logger: toTemporalLogger(log),
  telemetryOptions: {
    logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } },
    ...(config.metrics.temporalPort === undefined
      ? {}
      : {
          metrics: {
            prometheus: {
              bindAddress: `127.0.0.1:${config.metrics.temporalPort}`,
              countersTotalSuffix: true,
              unitSuffix: true,
              useSecondsForDurations: true,
            },
          },
        }),
  },
})
const connection = await connectWithPatience(() => NativeConnection.connect(config.temporal.connectionOptions), log)
const activities = createActivities({
  db,
  publisher,
  model,
  profileOf: limits.profileOf,
  learnLimits: limits.learn,
  limitsReady: limits.ask,
  logRepair: (fields) => log.warn(fields, 'a request that the model’s server refused is repaired'),
  workspaces,
  restorer,
  continueAsNewAfterEvents: config.agent.continueAsNewAfterEvents,
  publishing,
  defaultNetwork: config.network.policy,
  registriesReady: registries.ready,
  budgets: { project: config.budgets.project, day: config.budgets.day },
  sliceMs: (running) => sliceMsFor(config.agent.turnSliceMs, running),
  cancelTime: (run) =>
    connection.withDeadline(Date.now() + TEMPORAL_TIMEOUT_MS, () =>
      readCancelTime(connection.workflowService, config.temporal.namespace, run),
    ),
  sweepOutbox: publisher.hintOutbox,
})
const worker = await Worker.create({
  connection,
  namespace: config.temporal.namespace,
  taskQueue: TASK_QUEUE,
  ...(config.agent.workflowBundle === undefined
    ? { workflowBundle: { code: await bundleWorkflows() } }
    : { workflowBundle: { codePath: config.agent.workflowBundle } }),
  activities: metrics.measureActivities(activities),
  maxConcurrentActivityTaskExecutions: config.agent.maxTasks,
  maxCachedWorkflows: 500,
  // Cancellation comes with the answer to a heartbeat; this bounds how late.
  maxHeartbeatThrottleInterval: '700ms',
  // What a new worker waits for a dead one's cached workflows; the default is ten seconds.
  stickyQueueScheduleToStartTimeout: '1s',
  // Long enough for its polls to end, so that what is handed over does not come back to this worker.
  shutdownGraceTime: '100ms',
  shutdownForceTime: '8s',
})
// Whoever started this process waits for this line, so it does not depend on the log level.
process.stdout.write(`${JSON.stringify({ level: 'info', name: 'worker', pid: process.pid, msg: 'worker ready' })}\n`)

const listener = await startListener()
const liveness = startLiveness({ db, log, isWorking: () => TAKES_TASKS.has(worker.getState()) })
const sweep = startSweep({
  db,
  restorer,
  provider,
  log,
  everyMs: config.sandbox.sweepSeconds * 1_000,
  eventDays: config.retention.eventDays,
  execHours: config.retention.execHours,
  sweepOutbox: publisher.hintOutbox,
})
const services = keepServices({
  db,
  workspaces,
  publisher,
  log,
  defaultNetwork: config.network.policy,
  idleMs: config.sandbox.serviceIdleMinutes * 60_000,
})

const told = new AbortController()
// Temporal's runtime hears the same signals; this only remembers that one came.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => told.abort())

let hasEnded = false
try {
  hasEnded = await runUntilTold(worker, told.signal, log)
} finally {
  await services.close()
  await liveness.close()
  await sweep.close()
  await listener?.close()
  await connection.close()
  await provider.close()
  await publisher.close()
  await db.close()
  log.info({}, 'worker stopped')
}
// What the library still holds would keep the process alive.
if (!hasEnded) process.exit(0)

/** A worker without figures is better than none: a port that is taken is said and left. */
async function startListener(): Promise<MetricsListener | null> {
  const { workerPort } = config.metrics
  if (workerPort === undefined) return null
  try {
    const { contentType } = metrics
    const { apiToken: token } = config.server
    return await startMetricsListener({ port: workerPort, token, contentType, text: () => metrics.text(publisher) })
  } catch (error) {
    log.error({ err: error, port: workerPort }, 'WORKER_METRICS_PORT cannot be listened on; the worker runs without it')
    return null
  }
}
