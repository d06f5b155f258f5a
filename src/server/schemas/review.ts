/** Review criteria, proposals for them, and findings. */

import { z } from '@hono/zod-openapi'
import { nonBlankText } from '../text.ts'
import { IdSchema, ProjectParams } from './fields.ts'

/** A project's criteria, with the checks that its files give and those that are left out. */
export const CriteriaAnswerSchema = z
  .object({
    version: z.number(),
    criteria: z.array(
      z.object({
        id: z.string(),
        text: z.string(),
        severity: z.string(),
        enabled: z.boolean(),
        precision: z.number().optional().openapi({ description: 'Confirmed among the findings that people judged' }),
        judged: z.number().optional(),
      }),
    ),
    checks: z.array(
      z.object({ name: z.string(), command: z.string(), enabled: z.boolean(), source: z.enum(['detected', 'custom']) }),
    ),
    leftOut: z
      .array(z.object({ name: z.string(), command: z.string().optional(), reason: z.string() }))
      .openapi({ description: 'Checks that are not run, each with its reason' }),
    maxFixRounds: z.number(),
    enabled: z.boolean(),
    workspace: z.enum(['read', 'unavailable']).openapi({ description: 'Whether the files could be looked at' }),
    proposal: z
      .object({ path: z.string(), text: z.string(), hash: z.string() })
      .optional()
      .openapi({ description: "The project's own REVIEW.md, which holds nothing until a person takes it over" }),
  })
  .openapi('ReviewCriteria')

/** The path of a proposal. */
export const ProposalParams = ProjectParams.extend({ proposalId: IdSchema })

/** A person's word on a proposal. */
export const ProposalBody = z.strictObject({ decision: z.enum(['accept', 'decline']) })

/** Changes of the criteria that people's verdicts speak for. */
export const ProposalsSchema = z
  .object({
    items: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['reword', 'weaken', 'drop', 'add']),
        criterion: z
          .object({ id: z.string(), text: z.string(), severity: z.string(), enabled: z.boolean() })
          .openapi({ description: 'The criterion as it would be' }),
        reason: z.string(),
        findings: z.array(z.string()).openapi({ description: 'Ids of the judged findings that it rests on' }),
      }),
    ),
    nextAfter: z.null(),
  })
  .openapi('CriteriaProposals')

/** What was decided, and the version of the criteria after it. */
export const ProposalDecisionSchema = z
  .object({ decision: z.enum(['accept', 'decline']), version: z.number() })
  .openapi('CriteriaProposalDecision')

/** The path of a finding. */
export const FindingParams = z.object({ findingId: IdSchema })

/** A person's word on a finding. */
export const FindingBody = z.strictObject({
  verdict: z.enum(['confirm', 'dismiss']),
  reason: nonBlankText(2_000).optional(),
})

/** A finding. */
export const FindingSchema = z
  .object({ id: z.string(), severity: z.string(), state: z.string() })
  .loose()
  .openapi('Finding')
