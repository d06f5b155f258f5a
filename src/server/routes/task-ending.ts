import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { getProject } from '../../db/project/projects.ts'
import { newestPublication } from '../../db/task/publications.ts'
import { getTask } from '../../db/task/tasks.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { ComparisonSchema } from '../schemas/alternatives.ts'
import { TaskParams } from '../schemas/fields.ts'
import { EvidenceSchema } from '../schemas/tasks.ts'
import { presentComparisons } from './alternatives.ts'
import { presentEvidence } from './evidence.ts'
import { PublicationSchema, presentPublication } from './publish.ts'

const TaskEndingSchema = z
  .object({
    evidence: EvidenceSchema,
    comparisons: z.array(ComparisonSchema).openapi({ description: 'The newest 50, newest first' }),
    publication: PublicationSchema.nullable().openapi({ description: 'The newest; null when none was asked for' }),
    isGit: z.boolean().openapi({ description: 'Whether the project has a repository to publish to' }),
  })
  .openapi('TaskEnding')

/** What a card at a task's end shows beside the task itself, by one call where each part has one of its own. */
export function addTaskEndingRoute(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/ending',
      summary: 'Read at once what stands at a task’s end: its evidence, its comparisons and its newest publication',
      tag: 'tasks',
      params: TaskParams,
      responses: { 200: { description: 'The parts, each as its own call gives it', schema: TaskEndingSchema } },
    },
    async ({ c, params }) => {
      const task = await getTask(db, params.taskId)
      const [evidence, comparisons, publication, { source }] = await Promise.all([
        presentEvidence(db, task),
        presentComparisons(deps, task.id),
        newestPublication(db, task.id),
        getProject(db, task.projectId),
      ])
      return c.json({
        evidence,
        comparisons,
        publication: publication === null ? null : presentPublication(publication),
        isGit: source.kind === 'git',
      })
    },
  )
}
