/** The review's activities on a real database and a real sandbox; a test writes the coder's files itself. */

import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MockActivityEnvironment } from '@temporalio/testing'
import { takeCheckpoint } from '../../../src/activities/checkpoints.ts'
import type { ActivityDeps } from '../../../src/activities/deps.ts'
import { createFinishActivities } from '../../../src/activities/finish.ts'
import { createPrepareActivities } from '../../../src/activities/prepare.ts'
import { createReviewActivities } from '../../../src/activities/review.ts'
import type { Db } from '../../../src/db/client.ts'
import { listRounds, type ReviewRound } from '../../../src/db/review/reviews.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { getTask, type Task } from '../../../src/db/task/tasks.ts'
import { createWorkspaceStore } from '../../../src/db/workspace/workspace-store.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { createWorkspaces } from '../../../src/sandbox/workspaces.ts'
import type { ReviewState } from '../../../src/shared/review.ts'
import type { Activities, FinishInput, ReviewResult } from '../../../src/workflows/activities.ts'
import { aDb } from '../../support/database.ts'
import { aProject, type Frame, framesOf, post, takeOver } from '../../support/tasks.ts'

export interface ReviewHost {
  readonly db: Db
  readonly deps: ActivityDeps
  close(): Promise<void>
}

/** `shared`: the database of a server, whose projects then have their sandboxes here. */
export async function aReviewHost(shared?: Db): Promise<ReviewHost> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-review-')))
  const logger = { info: () => undefined, warn: () => undefined }
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger, runnerIdleMs: 5_000 })
  const own = shared === undefined ? await aDb() : undefined
  const db = shared ?? own
  if (db === undefined) throw new Error('there is no database')
  const workspaces = createWorkspaces({ provider, store: createWorkspaceStore(db), fill: async () => undefined })
  const deps = {
    ...{ db, workspaces },
    sweepOutbox: () => undefined,
    defaultNetwork: 'none',
    registriesReady: () => Promise.resolve(),
    cancelTime: () => Promise.resolve(null),
  } as unknown as ActivityDeps
  return {
    ...{ db, deps },
    async close() {
      await provider.close()
      await own?.close()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export type Files = Readonly<Record<string, string | null>>

export interface ReviewedTask {
  readonly projectId: string
  readonly taskId: string
  readonly sandbox: Sandbox
  /** What a turn of the coder leaves: these files, null for none. Returns the tree. */
  work(files: Files): Promise<string>
  /** One attempt of the checks of a round on the tree as it is. */
  check(round: number, options?: CheckOptions): Promise<{ failed: number; review: ReviewState }>
  /** One attempt of the review of a round; there is no model that a reviewer could be. */
  review(round: number): Promise<{ verdict: string; review: ReviewState }>
  finish(ending: Partial<FinishInput>): Promise<void>
  rounds(): Promise<ReviewRound[]>
  task(): Promise<Task>
  frames(): Promise<Frame[]>
  contentOf(path: string): Promise<string>
}

export interface CheckOptions {
  readonly fixRounds?: number
  readonly maxFixRounds?: number
  readonly attempt?: number
  /** Why `onStart`'s way ends the attempt; default a person's cancellation. */
  readonly reason?: 'CANCELLED' | 'TIMED_OUT'
  /** Gets the way to cancel the attempt. */
  onStart?(cancel: () => void): void
}

/** A task that has begun on these files. */
export async function aReviewedTask(host: ReviewHost, files: Files): Promise<ReviewedTask> {
  const { db, deps } = host
  const projectId = await aProject(db)
  const accepted = await post(db, { projectId })
  const { taskId } = accepted
  const sandbox = await deps.workspaces.open(projectId)
  const put = async (given: Files) => {
    for (const [path, data] of Object.entries(given)) {
      if (data === null) await sandbox.remove(path)
      else await sandbox.write([{ path, data }])
    }
  }
  await put(files)
  await new MockActivityEnvironment().run(createPrepareActivities(deps).prepareSandbox, { taskId, projectId })
  let turn = 0
  return {
    ...{ projectId, taskId, sandbox },
    async work(given) {
      await put(given)
      const attempt = await takeOver(db, accepted)
      return await takeCheckpoint(deps, {
        ...{ task: attempt.task, attempt, sandbox, turn: ++turn, label: `turn ${turn}` },
        toolPaths: new Set<string>(),
      })
    },
    async check(round, { fixRounds = round - 1, maxFixRounds = 2, attempt = 1, reason = 'CANCELLED', onStart } = {}) {
      const { latestTree, startTree } = await getTask(db, taskId)
      const treeHash = latestTree ?? startTree ?? ''
      const env = new MockActivityEnvironment({ attempt })
      onStart?.(() => env.cancel(reason))
      const activities: Pick<Activities, 'runChecks'> = createReviewActivities(deps)
      return await env.run(activities.runChecks, { taskId, projectId, round, treeHash, fixRounds, maxFixRounds })
    },
    async review(round) {
      const { latestTree } = await getTask(db, taskId)
      const input = { taskId, projectId, round, treeHash: latestTree ?? '', fixRounds: round - 1, maxFixRounds: 2 }
      const activities: Pick<Activities, 'reviewChanges'> = createReviewActivities(deps)
      const { verdict, review }: ReviewResult = await new MockActivityEnvironment().run(activities.reviewChanges, input)
      return { verdict, review }
    },
    async finish(ending) {
      const input = { taskId, projectId, kind: 'cancelled', ...ending } as FinishInput
      await new MockActivityEnvironment().run(createFinishActivities(deps).finishTask, input)
    },
    rounds: () => listRounds(db, taskId),
    task: () => getTask(db, taskId),
    frames: async () => framesOf(await readEvents(db, { projectId, after: 0, limit: 500 })),
    contentOf: async (path) => Buffer.from((await sandbox.read(path)).data).toString(),
  }
}
