import type { OpenAPIHono } from '@hono/zod-openapi'
import type { z } from 'zod'
import { recordChoice, requestComparisonEnd } from '../../db/task/comparison-moves.ts'
import {
  type Comparison,
  comparisonsOfTask,
  createComparison,
  getComparison,
  NOT_MADE,
  resultsOf,
} from '../../db/task/comparisons.ts'
import { getTask } from '../../db/task/tasks.ts'
import { chosenCheckpoint, listCheckpoints } from '../../db/workspace/checkpoints.ts'
import { compareWorkflowIdFor } from '../../shared/comparison.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import {
  AlternativeParams,
  ChooseBody,
  CompareBody,
  ComparisonListSchema,
  ComparisonParams,
  ComparisonSchema,
} from '../schemas/alternatives.ts'
import { DiffQuery, DiffSchema } from '../schemas/checkpoints.ts'
import { NoBody, TaskParams } from '../schemas/fields.ts'
import { diffBetween } from './checkpoints.ts'

/** More than a task may have for as long as anybody looks. */
const MAX_LISTED = 50

/** A task's request tried again in other ways, the results side by side, and one of them chosen. */
export function addAlternativeRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addCompareRoutes(app, deps)
  addDecideRoutes(app, deps)
  addAlternativeDiffRoute(app, deps)
}

const one = { tag: 'alternatives', params: ComparisonParams } as const
const accepted = { 202: { description: 'It is under way', schema: ComparisonSchema } }

function addCompareRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const ofTask = { path: '/api/tasks/{taskId}/alternatives', tag: 'alternatives', params: TaskParams } as const
  addRoute(
    app,
    {
      ...ofTask,
      method: 'post',
      summary: 'Have a task’s request tried again, up to five times, from the files before it; one result is chosen',
      body: CompareBody,
      responses: accepted,
    },
    async ({ c, params, body }) => {
      for (const [at, { model }] of body.alternatives.entries()) {
        if (model !== undefined) requireModel(deps, model, `alternatives[${at}].model`)
      }
      const task = await getTask(db, params.taskId)
      const made = await createComparison(db, { ...body, taskId: task.id, projectId: task.projectId })
      deps.dispatcher.kick()
      return c.json(await present(deps, made), 202)
    },
  )
  addRoute(
    app,
    {
      ...ofTask,
      method: 'get',
      summary: 'List the comparisons of a task with their alternatives, newest first',
      responses: { 200: { description: 'The newest 50', schema: ComparisonListSchema } },
    },
    async ({ c, params }) => {
      await getTask(db, params.taskId)
      return c.json({ items: await presentComparisons(deps, params.taskId) })
    },
  )
  addRoute(
    app,
    {
      ...one,
      method: 'get',
      path: '/api/comparisons/{comparisonId}',
      summary: 'Read a comparison and what its alternatives came to',
      responses: { 200: { description: 'The comparison', schema: ComparisonSchema } },
    },
    async ({ c, params }) => c.json(await present(deps, await getComparison(db, params.comparisonId))),
  )
}

function addDecideRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db, dispatcher } = deps
  addRoute(
    app,
    {
      ...one,
      method: 'post',
      path: '/api/comparisons/{comparisonId}/choose',
      summary: 'Choose an alternative: its files become the project’s, and a checkpoint records it',
      body: ChooseBody,
      responses: accepted,
    },
    async ({ c, params: { comparisonId }, body: { index } }) => {
      const { projectId } = await getComparison(db, comparisonId)
      const chosen = await recordChoice(db, { comparisonId, projectId, index }, { tellWorkflow: true })
      dispatcher.kick()
      return c.json(await present(deps, chosen), 202)
    },
  )
  addRoute(
    app,
    {
      ...one,
      method: 'post',
      path: '/api/comparisons/{comparisonId}/cancel',
      summary: 'End a comparison without a choice: what runs is stopped and all its sandboxes are removed',
      body: NoBody,
      responses: accepted,
    },
    async ({ c, params: { comparisonId } }) => {
      const { projectId } = await getComparison(db, comparisonId)
      const ended = await requestComparisonEnd(db, { comparisonId, projectId })
      dispatcher.kick()
      return c.json(await present(deps, ended), 202)
    },
  )
}

function addAlternativeDiffRoute(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/comparisons/{comparisonId}/alternatives/{index}/diff',
      summary: 'What an alternative changed; of one that was not chosen as long as the comparison is not over',
      tag: 'alternatives',
      params: AlternativeParams,
      query: DiffQuery.pick({ path: true, context: true }),
      responses: { 200: { description: 'A unified diff with its figures', schema: DiffSchema } },
    },
    async ({ c, params: { comparisonId, index }, query }) => {
      const comparison = await getComparison(deps.db, comparisonId)
      const item = comparison.items.find((each) => each.index === index)
      if (item === undefined) throw new AppError('not_found', 'There is no such alternative.')
      if (comparison.state === 'chosen' && comparison.chosenIndex === index && index > 0) {
        const start = (await listCheckpoints(deps.db, comparison.taskId))[0]
        const end = (await chosenCheckpoint(deps.db, comparisonId)) ?? undefined
        return c.json(await diffBetween(deps, comparison.projectId, start, end, query))
      }
      try {
        // Throws once its project was removed.
        const task = index === 0 ? null : await getTask(deps.db, item.taskId)
        const own = await listCheckpoints(deps.db, item.taskId)
        return c.json(await diffBetween(deps, task?.projectId ?? item.projectId, own[0], own.at(-1), query))
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'not_found') throw error
        const isMaking = comparison.state === 'running'
        const why = isMaking ? 'has not begun yet' : 'was not chosen, so its files are not kept any more'
        throw new AppError('not_found', `This alternative ${why}.`, { cause: error })
      }
    },
  )
}

function requireModel({ checkModel }: AppDeps, model: string, field: string): void {
  try {
    checkModel(model)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new AppError('bad_request', `${field}: ${error.message}`, {
      cause: error,
      details: { [field]: error.message },
    })
  }
}

/** The newest 50 comparisons of a task as the contract has them, newest first. Only reads. */
export async function presentComparisons(deps: AppDeps, taskId: string): Promise<z.input<typeof ComparisonSchema>[]> {
  const comparisons = await comparisonsOfTask(deps.db, taskId, MAX_LISTED)
  return await Promise.all(comparisons.map((comparison) => present(deps, comparison)))
}

async function present({ db }: AppDeps, comparison: Comparison): Promise<z.input<typeof ComparisonSchema>> {
  const [results, task] = await Promise.all([resultsOf(db, comparison), getTask(db, comparison.taskId)])
  const further = comparison.items.filter(({ index }) => index > 0).length
  return {
    id: comparison.id,
    taskId: comparison.taskId,
    projectId: comparison.projectId,
    conversationId: comparison.conversationId,
    workflowId: compareWorkflowIdFor(comparison.id),
    state: comparison.state,
    choose: comparison.choose,
    chosenIndex: comparison.chosenIndex,
    chosenBy: comparison.chosenBy,
    reason: comparison.reason,
    maxCostUsd: task.maxUsd === null ? null : task.maxUsd * further,
    createdAt: comparison.createdAt.toISOString(),
    expiresAt: comparison.expiresAt.toISOString(),
    items: comparison.items.map((item, at) => {
      const { tree: _, words: __, ...result } = results[at] ?? NOT_MADE
      return { ...item, criteria: item.criteria === null ? null : [...item.criteria], ...result, index: item.index }
    }),
  }
}
