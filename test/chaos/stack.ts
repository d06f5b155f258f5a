import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { BUILT_ENTRIES } from '../../scripts/lib/entries.mjs'
import { workerEnv } from '../../scripts/lib/part-env.mjs'
import type { PartName } from '../../scripts/lib/state.mjs'
import { type Stack, startStack } from '../../scripts/lib/supervisor.mjs'
import { findCommands, findRunner } from './processes.ts'
import { keepProcess, type OwnProcess, untilWorkerReady } from './worker-crew.ts'
import type { Target } from './plan.ts'

const WORKER_START_MS = 60_000

export interface Binaries {
  readonly redis: string
  readonly temporal: string
}

/** A private instance that may be killed piece by piece. */
export interface ChaosStack {
  readonly home: string
  readonly url: string
  readonly token: string
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly modelUrl: string
  /** Lines of the supervisor's log. */
  readonly supervisorLines: readonly string[]
  readonly ownWorkers: readonly OwnProcess[]
  pidOf(part: PartName): number | undefined
  /** Processes that a fault of this kind could strike now. */
  pidsOf(target: Target): number[]
  /** What the programs of ours have written: name and text. */
  logs(): { name: string; text: string }[]
  /** One connection of its own for each call, so that a killed Postgres hurts one call alone. */
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  addWorker(name: string, firstEnv?: NodeJS.ProcessEnv): Promise<OwnProcess>
  envOfWorker(): NodeJS.ProcessEnv
  stop(): Promise<void>
}

export interface StackPlan {
  readonly home: string
  readonly binaries: Binaries
  readonly settings?: NodeJS.ProcessEnv
  /** Instead of the supervisor's own worker: arguments of node for something that only says `worker ready`. */
  readonly workerArgs?: readonly string[]
  /** Arguments of the scripted model. */
  readonly modelArgs?: readonly string[]
  readonly onLine?: (line: string) => void
}

export async function startChaosStack(plan: StackPlan): Promise<ChaosStack> {
  const { home } = plan
  mkdirSync(home, { recursive: true })
  const supervisorLines: string[] = []
  const note = (line: string): void => {
    supervisorLines.push(line)
    plan.onLine?.(line)
  }
  const settings = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...plan.settings }
  const stack = await startStack({
    home,
    settings,
    binaries: plan.binaries,
    log: { info: note, warn: note },
    entries: {
      ...BUILT_ENTRIES,
      model: [...BUILT_ENTRIES.model, '--policy', 'list', ...(plan.modelArgs ?? [])],
      ...(plan.workerArgs === undefined ? {} : { worker: plan.workerArgs }),
    },
  })
  return wrap(stack, plan, settings, supervisorLines)
}

function wrap(
  stack: Stack,
  { home }: StackPlan,
  settings: NodeJS.ProcessEnv,
  supervisorLines: readonly string[],
): ChaosStack {
  const state = stack.state()
  const own: OwnProcess[] = []
  const pidOf = (part: PartName): number | undefined => stack.state().processes[part]
  const envOfWorker = (): NodeJS.ProcessEnv =>
    workerEnv(settings, home, { ...state, host: '127.0.0.1', port: 0, setupToken: '' })

  const pidsOf = (target: Target): number[] => {
    switch (target) {
      case 'worker':
        return [pidOf('worker'), ...own.map((worker) => worker.pid)].filter((pid) => pid !== undefined)
      case 'runner':
        return [findRunner(home)?.pid].filter((pid) => pid !== undefined)
      case 'command':
        return findCommands(home).map(({ pid }) => pid)
      default:
        return [pidOf(target)].filter((pid) => pid !== undefined)
    }
  }

  return {
    home,
    url: state.url,
    token: state.apiToken,
    databaseUrl: state.databaseUrl,
    redisUrl: state.redisUrl,
    modelUrl: state.model.baseUrl,
    supervisorLines,
    ownWorkers: own,
    pidOf,
    pidsOf,
    envOfWorker,
    logs: () =>
      ['server', 'worker', ...own.map((worker) => worker.name)].map((name) => ({
        name,
        text: readFileSync(join(home, 'logs', `${name}.log`), 'utf8'),
      })),
    query: (sql, values) => queryOnce(state.databaseUrl, sql, values),
    async addWorker(name, firstEnv = {}) {
      const worker = keepProcess({ name, args: BUILT_ENTRIES.worker, env: envOfWorker(), firstEnv, home })
      own.push(worker)
      await untilWorkerReady(worker, WORKER_START_MS)
      return worker
    },
    async stop() {
      await Promise.all(own.map((worker) => worker.stop()))
      await stack.stop()
    },
  }
}

async function queryOnce<Row extends object>(url: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>({ text: sql, values: [...values] })).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}
