import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { getConversation } from '../../db/project/conversations.ts'
import { getProject } from '../../db/project/projects.ts'
import { getTask } from '../../db/task/tasks.ts'
import {
  type Checkpoint,
  getCheckpoint,
  listCheckpoints,
  listProjectCheckpoints,
  newestCheckpoints,
} from '../../db/workspace/checkpoints.ts'
import { findUndo } from '../../restore/find-undo.ts'
import { forkProject } from '../../restore/fork-project.ts'
import { AppError } from '../../shared/errors.ts'
import { taskRunning } from '../../shared/refusals.ts'
import { isOver, NO_DIFF } from '../../shared/task.ts'
import type { AppDeps } from '../deps.ts'
import { presentCheckpoint, presentConversation, presentPage, presentProject } from '../present.ts'
import { addRoute } from '../route.ts'
import {
  CheckpointListSchema,
  CheckpointParams,
  CheckpointSchema,
  DiffQuery,
  DiffSchema,
  ForkBody,
  RestoreBody,
} from '../schemas/checkpoints.ts'
import { ConversationSchema } from '../schemas/conversations.ts'
import { NoBody, PageQuery, ProjectParams, TaskParams } from '../schemas/fields.ts'
import { ProjectSchema } from '../schemas/projects.ts'

const MAX_PATCH_BYTES = 1024 * 1024
/** How far back an undo looks. */
const MAX_PAST = 5_000

const Restored = z.object({ checkpoint: CheckpointSchema })

/** The way back: checkpoints, what lies between two of them, and how to return to one. */
export function addCheckpointRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addListRoutes(app, deps)
  addDiffRoutes(app, deps)
  addRestoreRoutes(app, deps)
  addForkRoute(app, deps)
}

function addListRoutes(app: OpenAPIHono, { db }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/checkpoints',
      summary: 'List the checkpoints of a task, oldest first',
      tag: 'checkpoints',
      params: TaskParams,
      responses: { 200: { description: 'All checkpoints of the task', schema: CheckpointListSchema } },
    },
    async ({ c, params }) => {
      await getTask(db, params.taskId)
      const checkpoints = await listCheckpoints(db, params.taskId)
      return c.json({ items: checkpoints.map(presentCheckpoint), nextAfter: null })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/checkpoints',
      summary: 'List the checkpoints of a project, oldest first, restores included',
      tag: 'checkpoints',
      params: ProjectParams,
      query: PageQuery,
      responses: { 200: { description: 'A page of checkpoints', schema: CheckpointListSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(db, params.projectId)
      return c.json(presentPage(await listProjectCheckpoints(db, params.projectId, query), presentCheckpoint))
    },
  )
}

function addDiffRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const diff = { method: 'get', tag: 'checkpoints', query: DiffQuery } as const
  const responses = { 200: { description: 'A unified diff with its figures', schema: DiffSchema } }

  addRoute(
    app,
    {
      ...diff,
      path: '/api/tasks/{taskId}/diff',
      summary: 'What changed between two checkpoints of the project; without them, what the task changed so far',
      params: TaskParams,
      responses,
    },
    async ({ c, params, query }) => {
      const { projectId, leftOut } = await getTask(db, params.taskId)
      const own = await listCheckpoints(db, params.taskId)
      const from = await pick(deps, projectId, query.from, 'from')
      const to = await pick(deps, projectId, query.to, 'to')
      const diff = await diffBetween(deps, projectId, from ?? own[0], to ?? own.at(-1), query)
      return c.json({ ...diff, leftOut: query.from === undefined && query.to === undefined ? leftOut.slice() : [] })
    },
  )
  addRoute(
    app,
    {
      ...diff,
      path: '/api/workspace/{projectId}/diff',
      summary: 'What changed between two checkpoints; without them, from the project’s first to its newest',
      params: ProjectParams,
      responses,
    },
    async ({ c, params: { projectId }, query }) => {
      await getProject(db, projectId)
      const from = (await pick(deps, projectId, query.from, 'from')) ?? (await oldest(deps, projectId))
      const to = (await pick(deps, projectId, query.to, 'to')) ?? (await newestCheckpoints(db, projectId, 1))[0]
      return c.json(await diffBetween(deps, projectId, from, to, query))
    },
  )
}

async function oldest({ db }: AppDeps, projectId: string): Promise<Checkpoint | undefined> {
  return (await listProjectCheckpoints(db, projectId, { limit: 1 })).items[0]
}

/** A checkpoint that was asked for, of this project and no other. */
async function pick(
  { db }: AppDeps,
  projectId: string,
  id: string | undefined,
  field: string,
): Promise<Checkpoint | undefined> {
  if (id === undefined) return undefined
  const refusal = new AppError('not_found', 'This project has no such checkpoint.', {
    details: { [field]: 'unknown checkpoint' },
  })
  try {
    const found = await getCheckpoint(db, id)
    if (found.projectId === projectId) return found
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error
  }
  throw refusal
}

/** The diff of two checkpoints of a project; empty when one is missing. Throws `not_found` when their files are not kept, `sandbox_*`. */
export async function diffBetween(
  deps: AppDeps,
  projectId: string,
  from: Checkpoint | undefined,
  to: Checkpoint | undefined,
  { path, context }: Pick<z.infer<typeof DiffQuery>, 'path' | 'context'>,
): Promise<z.infer<typeof DiffSchema>> {
  const ends = { from: from?.id ?? null, to: to?.id ?? null }
  if (from === undefined || to === undefined || from.treeHash === to.treeHash) {
    return { ...ends, stat: NO_DIFF, files: [], patch: '', truncated: false, leftOut: [] }
  }
  if (from.droppedAt !== null || to.droppedAt !== null) {
    throw new AppError('not_found', 'The files of this checkpoint are not kept any more.')
  }
  const sandbox = await deps.workspaces.open(projectId)
  const [changes, diff] = await Promise.all([
    sandbox.changes(from.treeHash, to.treeHash),
    sandbox.diff(from.treeHash, to.treeHash, {
      maxBytes: MAX_PATCH_BYTES,
      ...(path && { paths: [path] }),
      ...(context !== undefined && { contextLines: context }),
    }),
  ])
  const files = changes.filter((file) => !path || file.path === path || file.path.startsWith(`${path}/`))
  const sum = (key: 'added' | 'removed'): number => files.reduce((total, file) => total + file[key], 0)
  const stat = { files: files.length, added: sum('added'), removed: sum('removed') }
  const shown = files.map(({ path, kind, added, removed, binary }) => ({ path, kind, added, removed, binary }))
  return { ...ends, stat, files: shown, patch: diff.patch, truncated: diff.truncated, leftOut: [] }
}

function addRestoreRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db, restorer } = deps
  const responses = { 200: { description: 'The checkpoint that records it', schema: Restored } }

  addRoute(
    app,
    {
      method: 'post',
      path: '/api/checkpoints/{checkpointId}/restore',
      summary: 'Make the files equal to a checkpoint, or only the chosen paths',
      tag: 'checkpoints',
      params: CheckpointParams,
      body: RestoreBody,
      responses,
    },
    async ({ c, params, body }) => {
      const from = await getCheckpoint(db, params.checkpointId)
      const checkpoint = await restorer.restore({ from, kind: 'restore', paths: body.paths })
      return c.json({ checkpoint: presentCheckpoint(checkpoint) })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/undo',
      summary: 'Which task an undo would take back, and to which checkpoint; null when there is none',
      tag: 'checkpoints',
      params: ProjectParams,
      responses: {
        200: {
          description: 'The next undo',
          schema: z.object({ taskId: z.string().nullable(), checkpoint: CheckpointSchema.nullable() }),
        },
      },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      const next = findUndo(await newestCheckpoints(db, params.projectId, MAX_PAST))
      return c.json({ taskId: next?.taskId ?? null, checkpoint: next && presentCheckpoint(next.start) })
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/tasks/{taskId}/undo',
      summary: 'Take back what the last task changed',
      tag: 'checkpoints',
      params: TaskParams,
      body: NoBody,
      responses,
    },
    async ({ c, params }) => {
      const start = await startToUndo(deps, params.taskId)
      const checkpoint = await restorer.restore({ from: start, kind: 'undo' })
      return c.json({ checkpoint: presentCheckpoint(checkpoint) })
    },
  )
}

/** The checkpoint that undoes the task. Throws `not_found`, `task_running`, `undo_conflict` that says what is in the way. */
async function startToUndo({ db }: AppDeps, taskId: string) {
  const task = await getTask(db, taskId)
  if (!isOver(task.status)) throw taskRunning(taskId, 'This task')
  const next = findUndo(await newestCheckpoints(db, task.projectId, MAX_PAST))
  if (next?.taskId === taskId) return await getCheckpoint(db, next.start.id)
  if (task.startTree === null || task.latestTree === task.startTree || next === null) {
    throw new AppError('undo_conflict', 'There is nothing to undo: this task left no change in the files.')
  }
  throw new AppError('undo_conflict', `The newest changes are those of task ${next.taskId}: undo it first.`, {
    details: { taskId: next.taskId },
  })
}

function addForkRoute(app: OpenAPIHono, deps: AppDeps): void {
  const { db, restorer } = deps
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/checkpoints/{checkpointId}/fork',
      summary: 'Go on from a checkpoint in a new conversation, or in a new project',
      tag: 'checkpoints',
      params: CheckpointParams,
      body: ForkBody,
      responses: {
        201: { description: 'The new conversation or project', schema: z.union([ConversationSchema, ProjectSchema]) },
      },
    },
    async ({ c, params, body }) => {
      const from = await getCheckpoint(db, params.checkpointId)
      if (body.into === 'project') {
        const name = body.name ?? `${(await getProject(db, from.projectId)).name} (fork)`
        const { project, conversationId } = await forkProject(deps, from, name)
        return c.json({ ...presentProject(project), conversationId }, 201)
      }
      const title = body.name ?? (await getConversation(db, from.conversationId)).title
      const { conversationId } = await restorer.restore({ from, kind: 'fork', title })
      return c.json(presentConversation(await getConversation(db, conversationId)), 201)
    },
  )
}
