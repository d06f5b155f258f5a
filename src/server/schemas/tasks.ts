/** Tasks, their budgets and what is proved of their work. */

import { z } from '@hono/zod-openapi'
import { APPROVAL_KINDS } from '../../shared/approval.ts'
import { PLAN_STATES } from '../../shared/plan.ts'
import { TASK_STATUSES } from '../../shared/task.ts'
import { nonBlankText } from '../text.ts'
import { LeftOutList, listOf, Stat, TaskParams, Time } from './fields.ts'

/** The path of a round of a task's review. */
export const RoundParams = TaskParams.extend({
  round: z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number),
})

/** Limits in dollars, turns and minutes. */
export const BudgetSchema = z
  .strictObject({
    maxUsd: z.number().positive().max(100_000).optional(),
    maxTurns: z.number().int().positive().max(100_000).optional(),
    maxMinutes: z.number().positive().max(100_000).optional(),
  })
  .openapi('Budget')

/** New limits of a task; what is not named stays. */
export const BudgetBody = BudgetSchema.refine(
  (budget) => Object.keys(budget).length > 0,
  'name at least one of maxUsd, maxTurns, maxMinutes',
)

/** Why a task is cancelled, for people. */
export const CancelBody = z.strictObject({ reason: nonBlankText(500).optional() })

const ReviewStateSchema = z.object({ status: z.string(), round: z.number() }).loose().openapi('ReviewState')

/** The review of a task with its rounds. */
export const ReviewSchema = ReviewStateSchema.extend({ rounds: z.array(z.object({ round: z.number() }).loose()) })

/** What ran in a task, what that proves, and what is missing. */
export const EvidenceSchema = z
  .object({
    evidence: z.enum(['verified', 'partly', 'unverified']),
    gaps: z.array(z.object({ name: z.string(), reason: z.string() })),
    treeHash: z.string().optional().openapi({ description: 'The files that the task delivered, or has come to' }),
    rows: z
      .array(
        z
          .object({
            id: z.string(),
            kind: z.enum(['check', 'command']),
            by: z.enum(['harness', 'coder', 'reviewer']),
            status: z.string(),
          })
          .loose(),
      )
      .openapi({
        description: 'Commands in order (the newest 500), then what checks did before the task, then each round’s',
      }),
    decisions: z
      .array(
        z
          .object({
            approvalId: z.string(),
            kind: z.enum(APPROVAL_KINDS),
            title: z.string(),
            status: z.enum(['answered', 'approved', 'denied', 'expired', 'withdrawn']),
            requestedAt: Time,
            decidedAt: Time,
          })
          .loose(),
      )
      .openapi({ description: 'What people decided of what the task and its publications asked (the newest 200)' }),
    claims: z
      .array(
        z.object({ text: z.string(), about: z.string(), mark: z.enum(['proven', 'contradicted', 'unproven']) }).loose(),
      )
      .openapi({ description: 'Sentences of the last message that say something ran, by what the rows bear out' }),
  })
  .openapi('Evidence')

/** A task. */
export const TaskSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    conversationId: z.string(),
    workflowId: z.string(),
    status: z.enum(TASK_STATUSES),
    phase: z.string(),
    turn: z.number(),
    round: z.number(),
    model: z.string(),
    outcome: z.string().optional(),
    reason: z.object({ code: z.string(), message: z.string() }).optional(),
    review: ReviewStateSchema,
    evidence: z
      .enum(['verified', 'partly', 'unverified'])
      .openapi({ description: 'What the checks of the delivered tree proved' }),
    evidenceGaps: z
      .array(z.object({ name: z.string(), reason: z.string() }))
      .optional()
      .openapi({ description: 'What is missing for verified, each with its reason' }),
    usage: z.object({
      inputTokens: z.number(),
      outputTokens: z.number(),
      cacheReadTokens: z.number(),
      cacheWriteTokens: z.number(),
    }),
    costUsd: z.number().nullable(),
    estimatedUsd: z.number().optional(),
    diffStat: Stat,
    leftOut: LeftOutList.optional(),
    plan: z
      .array(z.object({ text: z.string(), state: z.enum(PLAN_STATES) }))
      .optional()
      .openapi({ description: 'What the agent means to do and how far it is' }),
    workers: z.enum(['polling', 'none']),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .openapi('Task')

/** Tasks, a page at a time. */
export const TaskListSchema = listOf(TaskSchema)
