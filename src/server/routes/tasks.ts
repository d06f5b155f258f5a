import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { type Checkpoint, listCheckpoints } from '../../db/checkpoints.ts'
import { requestCancel } from '../../db/lifecycle.ts'
import { raiseBudget } from '../../db/requests.ts'
import { listRounds } from '../../db/reviews.ts'
import { getTask } from '../../db/tasks.ts'
import { AppError } from '../../shared/errors.ts'
import { NO_DIFF } from '../../shared/task.ts'
import type { AppDeps } from '../deps.ts'
import { presentCheckpoint, presentRound, presentTask } from '../present.ts'
import { addRoute } from '../route.ts'
import {
  BudgetBody,
  CancelBody,
  CheckpointListSchema,
  DiffQuery,
  DiffSchema,
  ReviewSchema,
  TaskParams,
  TaskSchema,
} from '../schemas.ts'

const MAX_PATCH_BYTES = 1024 * 1024

export function addTaskRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const task = { tag: 'tasks', params: TaskParams } as const

  addRoute(
    app,
    {
      ...task,
      method: 'get',
      path: '/api/tasks/{taskId}',
      summary: 'Read a task',
      responses: { 200: { description: 'The task', schema: TaskSchema } },
    },
    async ({ c, params }) => {
      const [found, workers] = await Promise.all([getTask(db, params.taskId), deps.workers()])
      return c.json(presentTask(found, workers))
    },
  )
  addRoute(
    app,
    {
      ...task,
      method: 'post',
      path: '/api/tasks/{taskId}/cancel',
      summary: 'Ask the task to end; files changed so far are kept',
      body: CancelBody,
      responses: {
        202: { description: 'It will end shortly', schema: z.object({ status: z.literal('cancel_requested') }) },
      },
    },
    async ({ c, params, body }) => {
      await getTask(db, params.taskId)
      await requestCancel(db, params.taskId, { by: 'user', reason: body.reason })
      deps.dispatcher.kick()
      return c.json({ status: 'cancel_requested' }, 202)
    },
  )
  addRoute(
    app,
    {
      ...task,
      method: 'post',
      path: '/api/tasks/{taskId}/budget',
      summary: 'Set new totals; a task that waits for them goes on',
      body: BudgetBody,
      responses: { 200: { description: 'The task', schema: TaskSchema } },
    },
    async ({ c, params, body }) => {
      const { maxUsd, maxTurns, maxMinutes } = body
      const raised = await raiseBudget(db, params.taskId, {
        ...(maxUsd === undefined ? {} : { maxUsd }),
        ...(maxTurns === undefined ? {} : { maxTurns }),
        ...(maxMinutes === undefined ? {} : { maxMinutes }),
      })
      deps.dispatcher.kick()
      return c.json(presentTask(raised, await deps.workers()))
    },
  )
  addRoute(
    app,
    {
      ...task,
      method: 'get',
      path: '/api/tasks/{taskId}/review',
      summary: "Read the review's state with its rounds and findings",
      responses: { 200: { description: 'The review', schema: ReviewSchema } },
    },
    async ({ c, params }) => {
      const [found, rounds] = await Promise.all([getTask(db, params.taskId), listRounds(db, params.taskId)])
      return c.json({ ...found.review, rounds: rounds.map(presentRound) })
    },
  )
  addRoute(
    app,
    {
      ...task,
      method: 'get',
      path: '/api/tasks/{taskId}/checkpoints',
      summary: 'List the checkpoints, oldest first',
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
      ...task,
      method: 'get',
      path: '/api/tasks/{taskId}/diff',
      summary: 'What changed between two checkpoints; without them, since the task began',
      query: DiffQuery,
      responses: { 200: { description: 'A unified diff with its figures', schema: DiffSchema } },
    },
    async ({ c, params, query }) => {
      const found = await getTask(db, params.taskId)
      const checkpoints = await listCheckpoints(db, params.taskId)
      const from = pick(checkpoints, query.from, 'from') ?? checkpoints[0]
      const to = pick(checkpoints, query.to, 'to') ?? checkpoints.at(-1)
      return c.json(await diffBetween(deps, found.projectId, from, to))
    },
  )
}

function pick(checkpoints: readonly Checkpoint[], id: string | undefined, field: string): Checkpoint | undefined {
  if (id === undefined) return undefined
  const found = checkpoints.find((checkpoint) => checkpoint.id === id)
  if (found === undefined) {
    throw new AppError('not_found', 'This task has no such checkpoint.', { details: { [field]: 'unknown checkpoint' } })
  }
  return found
}

async function diffBetween(
  deps: AppDeps,
  projectId: string,
  from: Checkpoint | undefined,
  to: Checkpoint | undefined,
): Promise<z.infer<typeof DiffSchema>> {
  const ends = { from: from?.id ?? null, to: to?.id ?? null }
  if (from === undefined || to === undefined || from.treeHash === to.treeHash) {
    return { ...ends, stat: NO_DIFF, files: [], patch: '', truncated: false }
  }
  const sandbox = await deps.workspaces.open(projectId)
  const [files, diff] = await Promise.all([
    sandbox.changes(from.treeHash, to.treeHash),
    sandbox.diff(from.treeHash, to.treeHash, { maxBytes: MAX_PATCH_BYTES }),
  ])
  const sum = (key: 'added' | 'removed'): number => files.reduce((total, file) => total + file[key], 0)
  const stat = { files: files.length, added: sum('added'), removed: sum('removed') }
  const shown = files.map(({ path, kind, added, removed, binary }) => ({ path, kind, added, removed, binary }))
  return { ...ends, stat, files: shown, patch: diff.patch, truncated: diff.truncated }
}
