import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Db } from '../../db/client.ts'
import { lastWords, latestTree, taskCommands } from '../../db/review/ledger.ts'
import { taskDecisions } from '../../db/review/ledger-decisions.ts'
import { listRounds, readBaseline } from '../../db/review/reviews.ts'
import { getTask, type Task } from '../../db/task/tasks.ts'
import { claimsIn } from '../../review/claims.ts'
import { ledgerOf } from '../../review/ledger.ts'
import type { Claim, LedgerDecision, LedgerRow } from '../../shared/ledger.ts'
import type { Evidence, EvidenceGap } from '../../shared/review.ts'
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
    async ({ c, params }) => c.json(await presentEvidence(db, await getTask(db, params.taskId))),
  )
}

interface ShownEvidence {
  readonly evidence: Evidence
  readonly gaps: readonly EvidenceGap[]
  readonly treeHash?: string
  readonly rows: readonly LedgerRow[]
  readonly decisions: readonly LedgerDecision[]
  readonly claims: readonly Claim[]
}

/** A task's ledger as the contract has it: its newest 500 commands and 200 decisions. Only reads. */
export async function presentEvidence(db: Db, task: Task): Promise<ShownEvidence> {
  const [commands, rounds, baseline, words, treeHash, decisions] = await Promise.all([
    taskCommands(db, task.id),
    listRounds(db, task.id),
    readBaseline(db, task.id),
    lastWords(db, task.id),
    latestTree(db, task.id),
    taskDecisions(db, task.id),
  ])
  const rows = ledgerOf({ commands, rounds, baseline, startTree: task.startTree })
  return {
    evidence: task.evidence,
    gaps: [...task.evidenceGaps],
    ...(treeHash === null ? {} : { treeHash }),
    rows,
    decisions,
    claims: words === null ? [] : claimsIn(words, rows, treeHash),
  }
}
