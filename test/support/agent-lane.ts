/** A coder's lane as a worker opens it: real database, real sandbox, a scripted model over HTTP. */

import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ActivityDeps } from '../../src/activities/deps.ts'
import { openCoderLane } from '../../src/activities/open-lane.ts'
import { peopleOf } from '../../src/activities/people.ts'
import type { Lane } from '../../src/agent/lane.ts'
import { type LaneStatus, runLane } from '../../src/agent/loop.ts'
import type { Attempt } from '../../src/db/task/attempt.ts'
import { closeTask } from '../../src/db/task/lifecycle.ts'
import { getTask } from '../../src/db/task/tasks.ts'
import { type JournalTurn, readLane } from '../../src/db/turn/turns.ts'
import { savedEnvironment } from '../../src/db/workspace/environments.ts'
import { defaultEnvironment } from '../../src/environment/environment-schema.ts'
import type { NewDelta } from '../../src/events/topics.ts'
import { createAnthropicModel } from '../../src/model/anthropic.ts'
import { type ModelProfile, profileFor } from '../../src/model/profiles.ts'
import { createSandboxProvider } from '../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../src/sandbox/types.ts'
import { armCrashPoint } from '../../src/shared/crash-points.ts'
import type { TaskEnding } from '../../src/shared/task-ending.ts'
import { listPolicy } from '../../src/standin/policies/list.ts'
import { type ScriptedServer, startScriptedServer } from '../../src/standin/server.ts'
import { aDb, type TestDb } from './database.ts'
import { aProject, post, takeOver } from './tasks.ts'

export interface AgentHost {
  readonly db: TestDb
  readonly server: ScriptedServer
  readonly provider: SandboxProvider
  readonly deltas: NewDelta[]
  readonly deps: ActivityDeps
  /** Forgets what the model was asked, the faults that are armed and what was published. */
  reset(): void
  close(): Promise<void>
}

export interface AgentHostOptions {
  /** Differences from the model's own profile. */
  readonly profile?: Partial<ModelProfile>
  /** A smaller window than the model's own, which the scripted server enforces. */
  readonly contextTokens?: number
  /** Request bodies to keep; 200 when left out. */
  readonly keepBodies?: number
}

export async function anAgentHost(options: AgentHostOptions = {}): Promise<AgentHost> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-agent-')))
  const logger = { info: () => undefined, warn: () => undefined }
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger, runnerIdleMs: 5_000 })
  const db = await aDb()
  const server = await startScriptedServer({
    policy: listPolicy,
    keepBodies: options.keepBodies ?? 200,
    ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
  })
  const deltas: NewDelta[] = []
  const deps = {
    db,
    model: createAnthropicModel({ apiKey: 'scripted', baseUrl: server.url, kind: 'scripted' }),
    profileOf: (model: string) => ({ ...profileFor(model, { compat: false }), ...options.profile }),
    learnLimits: () => undefined,
    limitsReady: () => Promise.resolve(),
    budgets: { project: {}, day: {} },
    defaultNetwork: 'none',
    registriesReady: () => Promise.resolve(),
    publisher: { publishDelta: (delta: NewDelta) => void deltas.push(delta) },
  } as unknown as ActivityDeps
  return {
    ...{ db, server, provider, deltas, deps },
    reset() {
      server.disarm()
      server.setPace({ ttftMs: 0, tokensPerSecond: 0 })
      deltas.length = 0
      db.published.length = 0
    },
    async close() {
      await server.close()
      await provider.close()
      await db.close()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** What a crash point throws where a process would die. */
export class Crash extends Error {
  /** Also when the model's client, in whose callback it was thrown, made it the cause of a failure of its own. */
  static isIn(error: unknown): boolean {
    return error instanceof Crash || (error instanceof Error && error.cause instanceof Crash)
  }
}

export interface AgentTask {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly sandbox: Sandbox
  /** One attempt of the activity: takes the lease, reads the journal, runs the loop. */
  run(options?: RunOptions): Promise<LaneStatus>
  /** Dies at the point once, if it comes there, then runs to the end; says how often it died. */
  runThroughCrash(spec: string): Promise<{ readonly status: LaneStatus; readonly crashes: number }>
  turns(): Promise<JournalTurn[]>
  end(ending?: TaskEnding): Promise<void>
  /** Requests of this task that the model server got, in order. */
  asked(): ReturnType<ScriptedServer['journal']>
  contentOf(path: string): Promise<string>
  readonly attempt: () => Attempt
}

export interface RunOptions {
  readonly signal?: AbortSignal
  readonly isTimeUp?: () => boolean
  /** Sees every use of the sandbox. */
  readonly sandbox?: Sandbox
  onLane?(lane: Lane): void | Promise<void>
}

/** A task whose message is a script for the list policy, or plain words. */
export async function anAgentTask(
  host: AgentHost,
  script: object | string,
  overrides: Partial<Parameters<typeof post>[1]> = {},
): Promise<AgentTask> {
  const { db, provider } = host
  const projectId = overrides.projectId ?? (await aProject(db))
  const text = typeof script === 'string' ? script : `script: ${JSON.stringify(script)}`
  const accepted = await post(db, { ...overrides, projectId, text })
  const { conversationId, taskId } = accepted
  const ref = await provider.ensure({ projectId, generation: 1 })
  const sandbox = await provider.open(ref)
  let held: Attempt | undefined
  const task: AgentTask = {
    ...{ projectId, conversationId, taskId, sandbox },
    async run(options = {}) {
      const taken = await takeOver(db, accepted, { attempt: held ? 2 : 1 })
      held = taken
      const run = {
        ...{ id: 'turns/1', activity: 'runTurns', attempt: 1, onProgress: () => undefined },
        signal: options.signal ?? new AbortController().signal,
      }
      const used = options.sandbox ?? (await provider.open(ref))
      const environment = (await savedEnvironment(db, projectId)) ?? defaultEnvironment('none')
      const people = peopleOf(host.deps, { attempt: taken, sandbox: used, environment, mayAsk: true })
      const lane = await openCoderLane(host.deps, {
        ...{ name: 'coder', attempt: taken, sandbox: used, run },
        people,
      })
      await options.onLane?.(lane)
      return await runLane(lane, options.isTimeUp ?? (() => false))
    },
    async runThroughCrash(spec) {
      let crashes = 0
      armCrashPoint(spec, () => {
        throw new Crash(spec)
      })
      for (;;) {
        try {
          return { status: await task.run(), crashes }
        } catch (error) {
          if (!Crash.isIn(error)) throw error
          crashes++
        }
      }
    },
    turns: () => readLane(db, taskId, 'coder'),
    async end(ending) {
      if (!held) throw new Error('the task never ran')
      const { review } = await getTask(db, taskId)
      await closeTask(held, ending ?? { kind: 'completed', outcome: 'no_changes', review })
    },
    asked: () => host.server.journal().filter((entry) => entry.taskId === taskId),
    contentOf: async (path) => Buffer.from((await sandbox.read(path)).data).toString(),
    attempt: () => {
      if (!held) throw new Error('the task never ran')
      return held
    },
  }
  return task
}
