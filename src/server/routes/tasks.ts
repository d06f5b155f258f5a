import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { getProject } from '../../db/project/projects.ts'
import { listReviewerMessages } from '../../db/review/reviewer-messages.ts'
import { listRounds } from '../../db/review/reviews.ts'
import { requestCancel } from '../../db/task/lifecycle.ts'
import { raiseBudget } from '../../db/task/requests.ts'
import { getTask, listTasks } from '../../db/task/tasks.ts'
import type { AppDeps } from '../deps.ts'
import { presentMessage, presentPage, presentRound, presentTask } from '../present.ts'
import { addRoute } from '../route.ts'
import { MessageListSchema } from '../schemas/conversations.ts'
import { OrderedPageQuery, ProjectParams, TaskParams } from '../schemas/fields.ts'
import { BudgetBody, CancelBody, ReviewSchema, RoundParams, TaskListSchema, TaskSchema } from '../schemas/tasks.ts'

/** Tasks: listed, read, cancelled, given more budget; their reviews. */
export function addTaskRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const task = { tag: 'tasks', params: TaskParams } as const

  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/tasks',
      summary: 'List the tasks of a project, oldest first or newest first',
      tag: 'tasks',
      params: ProjectParams,
      query: OrderedPageQuery,
      responses: { 200: { description: 'A page of tasks', schema: TaskListSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(db, params.projectId)
      const [page, workers] = await Promise.all([listTasks(db, params.projectId, query), deps.workers()])
      return c.json(presentPage(page, (found) => presentTask(found, workers)))
    },
  )
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
      params: RoundParams,
      path: '/api/tasks/{taskId}/review/{round}/messages',
      summary: 'Read what the reviewer of a round said, and what it looked at',
      responses: { 200: { description: 'All of its messages, oldest first', schema: MessageListSchema } },
    },
    async ({ c, params }) => {
      await getTask(db, params.taskId)
      const messages = await listReviewerMessages(db, params.taskId, params.round)
      return c.json({ items: messages.map(presentMessage), nextAfter: null })
    },
  )
}
