/** The worker process: config → parts → activities → worker → run → close in reverse order. */

import { NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { createActivities } from '../activities/index.ts'
import { loadConfig } from '../config.ts'
import { createDb } from '../db/client.ts'
import { getProject } from '../db/projects.ts'
import { createWorkspaceStore } from '../db/workspace-store.ts'
import { createPublisher } from '../events/publisher.ts'
import { createLogger, toTemporalLogger } from '../logger.ts'
import { createAnthropicModel } from '../model/anthropic.ts'
import { profileFor } from '../model/profiles.ts'
import { sampleProjectFiles } from '../model/scripted/sample-project.ts'
import { createSandboxProvider } from '../sandbox/create.ts'
import { fillSandbox } from '../sandbox/fill.ts'
import { createWorkspaces } from '../sandbox/workspaces.ts'
import { armCrashPoint } from '../shared/crash-points.ts'
import { TASK_QUEUE } from '../shared/task.ts'
import { bundleWorkflows } from './bundle.ts'
import { connectWithPatience } from './connect.ts'
import { sliceMsFor } from './slice.ts'
import { startSweep } from './sweep.ts'

const config = loadConfig(process.env)
const log = createLogger({ level: config.log.level, name: 'worker' })
if (config.crashPoint !== undefined) armCrashPoint(config.crashPoint, () => process.kill(process.pid, 'SIGKILL'))

const provider = createSandboxProvider({
  kind: config.sandbox.provider,
  dir: `${config.home}/sandboxes`,
  logger: log,
})
const probe = await provider.probe()
if (!probe.ok) {
  log.fatal({ provider: provider.kind }, probe.detail)
  process.exit(78)
}
log.info({ provider: provider.kind, isolation: probe.isolation }, probe.detail)

const publisher = createPublisher({ redisUrl: config.redis.url, log, name: 'keelson-worker' })
const db = createDb({
  url: config.database.url,
  applicationName: 'keelson-worker',
  poolSize: config.database.poolSize,
  onEvents: publisher.publishEvents,
  onConnectionError: (error) => log.warn({ err: error }, 'an idle database connection was lost'),
})
const workspaces = createWorkspaces({
  store: createWorkspaceStore(db),
  provider,
  async fill(projectId, sandbox) {
    const { source } = await getProject(db, projectId)
    await fillSandbox(sandbox, source, { sampleFiles: sampleProjectFiles, projectRoots: config.server.projectRoots })
  },
})
const { isCompat } = config.model
const model = createAnthropicModel({
  apiKey: config.model.apiKey ?? '',
  kind: config.model.kind,
  compat: isCompat,
  logger: log,
  ...(config.model.baseUrl === undefined ? {} : { baseUrl: config.model.baseUrl }),
})

Runtime.install({
  logger: toTemporalLogger(log),
  telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } } },
})
const connection = await connectWithPatience(() => NativeConnection.connect(config.temporal.connectionOptions), log)
const activities = createActivities({
  db,
  publisher,
  model,
  profileOf: (name) => profileFor(name, { compat: isCompat }),
  workspaces,
  sandboxProvider: provider.kind,
  sliceMs: (running) => sliceMsFor(config.agent.turnSliceMs, running),
  sweepOutbox: publisher.hintOutbox,
})
const worker = await Worker.create({
  connection,
  namespace: config.temporal.namespace,
  taskQueue: TASK_QUEUE,
  ...(config.agent.workflowBundle === undefined
    ? { workflowBundle: { code: await bundleWorkflows() } }
    : { workflowBundle: { codePath: config.agent.workflowBundle } }),
  activities,
  maxConcurrentActivityTaskExecutions: config.agent.maxTasks,
  maxCachedWorkflows: 500,
  // Cancellation comes with the answer to a heartbeat; this bounds how late.
  maxHeartbeatThrottleInterval: '700ms',
  // What a new worker waits for a dead one's cached workflows; the default is ten seconds.
  stickyQueueScheduleToStartTimeout: '1s',
  shutdownGraceTime: '500ms',
  shutdownForceTime: '8s',
})
// Whoever started this process waits for this line, so it does not depend on the log level.
process.stdout.write(`${JSON.stringify({ level: 'info', name: 'worker', pid: process.pid, msg: 'worker ready' })}\n`)

const sweep = startSweep({
  db,
  provider,
  log,
  everyMs: config.sandbox.sweepSeconds * 1_000,
  eventDays: config.retention.eventDays,
  execHours: config.retention.execHours,
})

try {
  await worker.run()
} finally {
  await sweep.close()
  await connection.close()
  await provider.close()
  await publisher.close()
  await db.close()
  log.info({}, 'worker stopped')
}
