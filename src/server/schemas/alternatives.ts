/** Comparisons of alternatives: what is asked for, and what is known of them. */

import { z } from '@hono/zod-openapi'
import { MAX_ALTERNATIVES } from '../../shared/comparison.ts'
import { TASK_STATUSES } from '../../shared/task.ts'
import { nonBlankText } from '../text.ts'
import { IdSchema, Stat, Time } from './fields.ts'

const MAX_MODEL_CHARACTERS = 200
const MAX_SENTENCES = 20
const MAX_SENTENCE_CHARACTERS = 2_000

/** The path of a comparison. */
export const ComparisonParams = z.object({ comparisonId: IdSchema })
/** An index that is no number names nothing, so that it is not found. */
export const AlternativeParams = ComparisonParams.extend({
  index: z
    .string()
    .regex(/^\d{1,2}$/)
    .transform(Number),
})

/** What a person asks for when a task's request is tried again. */
export const CompareBody = z
  .strictObject({
    alternatives: z
      .array(
        z.strictObject({
          model: nonBlankText(MAX_MODEL_CHARACTERS).optional().openapi({ description: 'The task’s own when left out' }),
          criteria: z
            .array(nonBlankText(MAX_SENTENCE_CHARACTERS))
            .min(1)
            .max(MAX_SENTENCES)
            .optional()
            .openapi({ description: 'Sentences that stand in the place of the project’s review criteria' }),
        }),
      )
      .min(1)
      .max(MAX_ALTERNATIVES),
    include: z
      .boolean()
      .default(true)
      .openapi({ description: 'Whether the task’s own result stands beside them as number 0, when it is completed' }),
    choose: z
      .enum(['person', 'evidence'])
      .default('person')
      .openapi({ description: 'Who chooses: `evidence` takes the best proved at once' }),
    clientComparisonId: nonBlankText(128).optional(),
  })
  .openapi('Compare')

/** Which alternative a person takes. */
export const ChooseBody = z
  .strictObject({ index: z.number().int().min(0).openapi({ description: '0 is the task’s own result' }) })
  .openapi('ChooseAlternative')

const AlternativeSchema = z
  .object({
    index: z.number(),
    projectId: z.string(),
    conversationId: z.string(),
    taskId: z.string(),
    model: z.string(),
    criteria: z.array(z.string()).nullable(),
    status: z.enum(TASK_STATUSES),
    outcome: z.string().nullable(),
    evidence: z.enum(['verified', 'partly', 'unverified']).nullable(),
    openFindings: z.number().nullable(),
    failedChecks: z.number().nullable(),
    diffStat: Stat.nullable(),
    costUsd: z.number().nullable(),
    durationMs: z.number().nullable(),
    error: z.string().nullable(),
  })
  .openapi('Alternative')

/** A comparison with what its alternatives came to so far. */
export const ComparisonSchema = z
  .object({
    id: z.string(),
    taskId: z.string(),
    projectId: z.string(),
    conversationId: z.string(),
    workflowId: z.string(),
    state: z.enum(['running', 'waiting', 'choosing', 'chosen', 'cancelled', 'failed']),
    choose: z.enum(['person', 'evidence']),
    chosenIndex: z.number().nullable(),
    chosenBy: z.enum(['person', 'evidence']).nullable(),
    reason: z.string().nullable().openapi({ description: 'Why it was chosen, or why none was, in a sentence' }),
    maxCostUsd: z.number().nullable().openapi({
      description: 'What the alternatives may cost together; null when the task’s budget names no dollars',
    }),
    createdAt: Time,
    expiresAt: Time,
    items: z.array(AlternativeSchema),
  })
  .openapi('Comparison')

/** The comparisons of a task. */
export const ComparisonListSchema = z.object({ items: z.array(ComparisonSchema) })
