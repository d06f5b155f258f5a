/** Projects with files, checkpoints and finished tasks: real Postgres and sandbox, no worker, no model. */

import { createCheckpointer } from '../../../src/activities/checkpoints.ts'
import type { ActivityDeps } from '../../../src/activities/deps.ts'
import { type Credentials, createCredentials } from '../../../src/credentials/credentials.ts'
import type { Db } from '../../../src/db/client.ts'
import { noReview } from '../../../src/db/task/accept-message.ts'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { type Checkpoint, listCheckpoints, recordCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import { createWorkspaceStore } from '../../../src/db/workspace/workspace-store.ts'
import { forkAlternatives } from '../../../src/restore/comparison-steps.ts'
import { guardWorkspaces } from '../../../src/restore/guard-workspaces.ts'
import { createRestorer, type Restorer } from '../../../src/restore/restorer.ts'
import { DEFAULT_CRITERIA } from '../../../src/review/criteria.ts'
import { taskInput } from '../../../src/review/task-input.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../../src/sandbox/types.ts'
import { createWorkspaces, type Workspaces } from '../../../src/sandbox/workspaces.ts'
import type { CompareInput } from '../../../src/shared/comparison.ts'
import { newId } from '../../../src/shared/ids.ts'
import { NO_DIFF } from '../../../src/shared/task.ts'
import { createFiller } from '../../../src/sources/fill-project.ts'
import type { GitSettings } from '../../../src/sources/run-git.ts'
import { post, takeOver } from '../../support/tasks.ts'
import { aCall, aTurn } from '../../support/turns.ts'

const silent = { info: () => undefined, warn: () => undefined }

export interface Parts {
  readonly unguarded: Workspaces
  readonly workspaces: Workspaces
  readonly restorer: Restorer
  readonly provider: SandboxProvider
  /** A local one, where commits are made and repositories are cloned for a sandbox that is elsewhere. */
  readonly staging: SandboxProvider
  readonly credentials: Credentials
  close(): Promise<void>
}

/** What a server builds of the same name, over the sandboxes in `dir`, or those of `elsewhere`. */
export function partsOf(
  db: Db,
  dir: string,
  kick: () => void = () => undefined,
  git: GitSettings = { origins: [] },
  elsewhere?: SandboxProvider,
): Parts {
  const staging = createSandboxProvider({ kind: 'local-bwrap', dir, logger: silent, runnerIdleMs: 5_000 })
  const provider = elsewhere ?? staging
  const credentials = createCredentials({ db, key: () => new Uint8Array(32) })
  const unguarded: Workspaces = createWorkspaces({
    provider,
    store: createWorkspaceStore(db),
    fill: createFiller({
      db,
      sampleFiles: () => ({}),
      projectRoots: [],
      git,
      credentials,
      staging: elsewhere === undefined ? null : staging,
      openExisting: (projectId) => unguarded.openExisting(projectId),
    }),
  })
  const restorer = createRestorer({ db, workspaces: unguarded, log: silent, kick })
  return {
    unguarded,
    workspaces: guardWorkspaces(unguarded, restorer),
    restorer,
    provider,
    staging,
    credentials,
    close: async () => {
      await provider.close()
      if (elsewhere !== undefined) await staging.close()
    },
  }
}

/** What a turn does to the files: null removes one. */
export type Change = Readonly<Record<string, string | null>>

export interface DoneTask {
  readonly taskId: string
  readonly conversationId: string
  readonly checkpoints: readonly Checkpoint[]
}

/** A finished task of which each turn made one change, by a command. */
export async function aDoneTask(
  { db, workspaces }: { db: Db; workspaces: Workspaces },
  projectId: string,
  turns: readonly Change[],
  conversationId?: string,
): Promise<DoneTask> {
  const accepted = await post(db, { projectId, conversationId, text: `Task with ${turns.length} turns` })
  const { taskId } = accepted
  const sandbox = await workspaces.open(projectId)
  const start = { id: newId('ckp'), turn: 0, treeHash: await sandbox.checkpoint(), label: 'before', stat: NO_DIFF }
  await recordCheckpoint(await takeOver(db, accepted), start, [])
  const held = await takeOver(db, accepted)
  const deps = { db } as unknown as ActivityDeps
  const checkpointer = createCheckpointer(deps, { attempt: held, sandbox }, (checkpoint, events) =>
    recordCheckpoint(held, checkpoint, events),
  )
  for (const [index, change] of turns.entries()) {
    const turn = index + 1
    await apply(sandbox, change)
    await insertTurn(db, accepted, turn)
    const command = JSON.stringify({ command: `step ${turn}` })
    await checkpointer.afterTools(
      aTurn({ taskId, turn, toolCalls: [aCall({ toolUseId: `t${turn}`, input: command })] }),
    )
  }
  await db.pool.query(`UPDATE messages SET status = 'claimed', turn = 1 WHERE task_id = $1 AND role = 'user'`, [taskId])
  await closeTask(held, { kind: 'completed', outcome: 'unreviewed', review: noReview(2) })
  return { taskId, conversationId: accepted.conversationId, checkpoints: await listCheckpoints(db, taskId) }
}

/** Has a task that was accepted make one change and end. */
export async function endTask(
  { db, workspaces }: { db: Db; workspaces: Workspaces },
  at: { readonly projectId: string; readonly taskId: string },
  change: Change,
): Promise<void> {
  const attempt = await takeOver(db, at)
  const sandbox = await workspaces.open(at.projectId)
  const before = await sandbox.checkpoint()
  await recordCheckpoint(attempt, { id: newId('ckp'), turn: 0, treeHash: before, label: 'before', stat: NO_DIFF }, [])
  await apply(sandbox, change)
  const after = await sandbox.checkpoint()
  const stat = { files: Object.keys(change).length, added: 1, removed: 0 }
  await recordCheckpoint(attempt, { id: newId('ckp'), turn: 1, treeHash: after, label: 'turn 1', stat }, [])
  const [, words = ''] = /^(try \d)/.exec(change['a.txt'] ?? '') ?? []
  await db.pool.query(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, turn)
     SELECT $2, project_id, conversation_id, id, 'assistant', $3, 'completed', 1 FROM tasks WHERE id = $1`,
    [at.taskId, newId('msg'), `${words} is done.`],
  )
  await db.pool.query(`UPDATE messages SET status = 'claimed', turn = 1 WHERE task_id = $1 AND role = 'user'`, [
    at.taskId,
  ])
  await closeTask(attempt, { kind: 'completed', outcome: 'unreviewed', review: noReview(2) })
}

/** Makes the alternatives of a comparison, as the worker does. */
export async function forkedBy(db: Db, at: CompareInput) {
  const limits = { budgetWaitHours: 0, continueAsNewAfterEvents: 2_000 }
  const inputFor = (taskId: string) => taskInput(db, taskId, limits)
  return await forkAlternatives({ db, defaultCriteria: DEFAULT_CRITERIA, inputFor }, at)
}

async function apply(sandbox: Sandbox, change: Change): Promise<void> {
  for (const [path, text] of Object.entries(change)) {
    if (text === null) await sandbox.remove(path)
    else await sandbox.write([{ path, data: text }])
  }
}

/** One model call without tools, as the journal keeps it. */
async function insertTurn(
  db: Db,
  at: { taskId: string; projectId: string; conversationId: string },
  turn: number,
): Promise<void> {
  const messageId = newId('msg')
  const said = `Reply ${turn}`
  await db.pool.query(
    `INSERT INTO turns (task_id, turn, lane, message_id, user_content, reply_content, stop_reason)
     VALUES ($1, $2, 'coder', $3, $4, $5, 'end_turn')`,
    [
      at.taskId,
      turn,
      messageId,
      JSON.stringify([{ type: 'text', text: `Ask ${turn}` }]),
      JSON.stringify([{ type: 'text', text: said }]),
    ],
  )
  await db.pool.query(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, turn)
     VALUES ($1, $2, $3, $4, 'assistant', $5, 'completed', $6)`,
    [messageId, at.projectId, at.conversationId, at.taskId, said, turn],
  )
}

/** All files of a workspace that a checkpoint would hold, with their content. */
export async function filesOf(sandbox: Sandbox): Promise<Record<string, string>> {
  const { entries } = await sandbox.list('', { depth: 10, limit: 10_000 })
  const files: Record<string, string> = {}
  for (const { path, kind } of entries) {
    if (kind === 'file') files[path] = Buffer.from((await sandbox.read(path)).data).toString()
  }
  return files
}
