import type { OpenAPIHono } from '@hono/zod-openapi'
import { lastWords, latestTree, taskCommands } from '../../db/review/ledger.ts'
import { taskDecisions } from '../../db/review/ledger-decisions.ts'
import { listRounds, readBaseline } from '../../db/review/reviews.ts'
import { getTask } from '../../db/task/tasks.ts'
import { claimsIn } from '../../review/claims.ts'
import { ledgerOf } from '../../review/ledger.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { TaskParams } from '../schemas/fields.ts'
import { EvidenceSchema } from '../schemas/tasks.ts'

/** What a task's verdict rests on: everything that ran, and which words of its last message that bears out. */
export function addEvidenceRoutes(app: OpenAPIHono, { db }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/evidence',
      summary:
        'Read every check, command and decision of a task, and whether they bear out what its last message claims',
      tag: 'review',
      params: TaskParams,
      responses: { 200: { description: 'The ledger', schema: EvidenceSchema } },
    },
    async ({ c, params }) => {
      const task = await getTask(db, params.taskId)
      const [commands, rounds, baseline, words, treeHash, decisions] = await Promise.all([
        taskCommands(db, task.id),
        listRounds(db, task.id),
        readBaseline(db, task.id),
        lastWords(db, task.id),
        latestTree(db, task.id),
        taskDecisions(db, task.id),
      ])
      const rows = ledgerOf({ commands, rounds, baseline, startTree: task.startTree })
      return c.json({
        evidence: task.evidence,
        gaps: [...task.evidenceGaps],
        ...(treeHash === null ? {} : { treeHash }),
        rows,
        decisions,
        claims: words === null ? [] : claimsIn(words, rows, treeHash),
      })
    },
  )
}
