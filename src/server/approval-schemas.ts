import { z } from '@hono/zod-openapi'
import { APPROVAL_KINDS, DECISION_SCOPES, DECISIONS, MAX_ANSWER_CHARACTERS } from '../shared/approval.ts'
import { IdSchema, PageQuery } from './schemas/fields.ts'
import { nonBlankText } from './text.ts'

const Time = z.iso.datetime()

/** The path of an approval. */
export const ApprovalParams = z.object({ approvalId: IdSchema })

/** The project that the caller takes the approval for; 404 when it is another one. */
export const ApprovalProjectQuery = z.object({ projectId: IdSchema.optional() })

/** Which approvals are listed. */
export const ApprovalsQuery = PageQuery.extend({
  projectId: z.preprocess((value) => (value === '' ? undefined : value), IdSchema.optional()),
  status: z
    .enum(['open', 'decided', 'all'])
    .default('open')
    .openapi({ description: 'open: what waits for a person now' }),
})

/** A person's decision. */
export const DecisionBodySchema = z
  .strictObject({
    decision: z.enum(DECISIONS).openapi({
      description: 'answer for a question; approve or deny for the rest; deny leaves a question to the agent',
    }),
    answer: nonBlankText(MAX_ANSWER_CHARACTERS).optional(),
    note: nonBlankText(MAX_ANSWER_CHARACTERS).optional().openapi({ description: 'A word that the model reads too' }),
    remember: z.boolean().optional().openapi({ description: 'true: from now on in this project; the same as scope' }),
    scope: z
      .enum(DECISION_SCOPES)
      .optional()
      .openapi({ description: 'How long the decision holds; once when left out' }),
  })
  .openapi('Decision')

/** An approval: what it is about, and what was decided. */
export const ApprovalSchema = z
  .object({
    id: z.string(),
    approvalId: z.string(),
    projectId: z.string(),
    projectName: z.string(),
    conversationId: z.string(),
    taskId: z.string(),
    turn: z.number(),
    kind: z.enum(APPROVAL_KINDS),
    title: z.string(),
    question: z.string().optional(),
    options: z.array(z.string()).optional(),
    allowsText: z.boolean().optional(),
    default: z.string().optional(),
    command: z.string().optional(),
    paths: z.array(z.string()).optional(),
    host: z.string().optional(),
    publicationId: z.string().optional().openapi({ description: 'The publication that waits, of kind publish' }),
    branch: z.string().optional(),
    pattern: z.string().optional().openapi({ description: "The policy's pattern that holds it back" }),
    status: z.enum(['open', 'answered', 'approved', 'denied', 'expired', 'withdrawn']),
    answer: z.string().optional(),
    note: z.string().optional(),
    scope: z.enum(DECISION_SCOPES).optional(),
    decidedBy: z.string().optional(),
    requestedAt: Time,
    expiresAt: Time,
    decidedAt: Time.optional(),
  })
  .openapi('Approval')

/** Approvals, a page at a time. */
export const ApprovalListSchema = z.object({ items: z.array(ApprovalSchema), nextAfter: z.string().nullable() })
