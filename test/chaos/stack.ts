import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUILT_ENTRIES } from '../../scripts/lib/entries.mjs'
import { serverEnv, workerEnv } from '../../scripts/lib/part-env.mjs'
import { freePort } from '../../scripts/lib/ports.mjs'
import type { PartName } from '../../scripts/lib/state.mjs'
import { type Stack, startStack } from '../../scripts/lib/supervisor.mjs'
import { queryOnce } from '../support/query-once.ts'
import { keepProcess, type OwnPart, untilReady } from './own-part.ts'
import type { Target } from './plan.ts'
import { findCommands, findRunner } from './processes.ts'

export type { OwnPart } from './own-part.ts'

const START_MS = 60_000

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
  /** Beside those that the supervisor keeps; the servers are not struck. */
  readonly ownWorkers: readonly OwnPart[]
  pidOf(part: PartName): number | undefined
  /** Processes that a fault of this kind could strike now. */
  pidsOf(target: Target): number[]
  /** What the programs of ours have written: name and text. */
  logs(): { name: string; text: string }[]
  /** One connection of its own for each call, so that a killed Postgres hurts one call alone. */
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** `firstEnv` is for its first run only. */
  addWorker(name: string, firstEnv?: NodeJS.ProcessEnv): Promise<OwnPart>
  /** One more server on a port of its own. */
  addServer(name: string, firstEnv?: NodeJS.ProcessEnv): Promise<OwnPart & { readonly url: string }>
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
  // A port that no other instance chooses: one that starts while this server is down would take a common one, and answer
  // this instance's readers.
  const port = String(await freePort())
  const settings = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    PORT: port,
    // Each worker that is killed before this machine's package managers answered would ask them again: ten seconds of CPU.
    KEELSON_REGISTRIES: '=',
    ...plan.settings,
  }
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
  const own: OwnPart[] = []
  const servers: OwnPart[] = []
  const pidOf = (part: PartName): number | undefined => stack.state().processes[part]
  const addresses = { ...state, host: '127.0.0.1', setupToken: state.apiToken }

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
    logs: () =>
      ['server', 'worker', ...[...own, ...servers].map((part) => part.name)].map((name) => ({
        name,
        text: readFileSync(join(home, 'logs', `${name}.log`), 'utf8'),
      })),
    query: (sql, values) => queryOnce(state.databaseUrl, sql, values),
    async addWorker(name, firstEnv = {}) {
      const env = workerEnv(settings, home, { ...addresses, port: 0 })
      const worker = keepProcess({ name, args: BUILT_ENTRIES.worker, env, firstEnv, home })
      own.push(worker)
      await untilReady(worker, 'worker ready', START_MS)
      return worker
    },
    async addServer(name, firstEnv = {}) {
      const port = await freePort()
      const env = serverEnv(settings, home, { ...addresses, port })
      const server = keepProcess({ name, args: BUILT_ENTRIES.server, env, firstEnv, home })
      servers.push(server)
      await untilReady(server, 'listening', START_MS)
      return Object.assign(server, { url: `http://127.0.0.1:${port}` })
    },
    async stop() {
      await Promise.all([...own, ...servers].map((part) => part.stop()))
      await stack.stop()
    },
  }
}
