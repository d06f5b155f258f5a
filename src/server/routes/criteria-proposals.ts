import type { OpenAPIHono } from '@hono/zod-openapi'
import { getProject } from '../../db/project/projects.ts'
import { saveCriteria, savedCriteria } from '../../db/review/criteria.ts'
import { declinedProposals, declineProposal, judgedFindings } from '../../db/review/criteria-proposals.ts'
import { proposeCriteria, withProposal } from '../../review/propose-criteria.ts'
import { AppError } from '../../shared/errors.ts'
import type { Criteria, CriteriaProposal } from '../../shared/review.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'
import { ProposalBody, ProposalDecisionSchema, ProposalParams, ProposalsSchema } from '../schemas/review.ts'

/** What people's verdicts on findings speak for changing; a person accepts it as the next version, or declines it. */
export function addCriteriaProposalRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const path = '/api/workspace/{projectId}/review-criteria/proposals'
  addRoute(
    app,
    {
      method: 'get',
      path,
      summary: 'List what people’s verdicts on findings propose for the criteria',
      tag: 'review',
      params: ProjectParams,
      responses: {
        200: { description: 'The open proposals; nothing changes until one is accepted', schema: ProposalsSchema },
      },
    },
    async ({ c, params }) => {
      const { proposals } = await openProposals(deps, params.projectId)
      return c.json({ items: [...proposals], nextAfter: null })
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: `${path}/{proposalId}`,
      summary: 'Accept a proposal as the criteria’s next version, or decline it until the evidence has doubled',
      tag: 'review',
      params: ProposalParams,
      body: ProposalBody,
      responses: { 200: { description: 'The version that holds now', schema: ProposalDecisionSchema } },
    },
    async ({ c, params, body }) => {
      const { projectId, proposalId } = params
      const { current, proposals } = await openProposals(deps, projectId)
      const proposal = proposals.find(({ id }) => id === proposalId)
      if (proposal === undefined) {
        throw new AppError(
          'not_found',
          'There is no such open proposal; list them again, the criteria may have changed.',
        )
      }
      if (body.decision === 'decline') {
        await declineProposal(deps.db, projectId, proposalId)
        return c.json({ decision: body.decision, version: current.version })
      }
      const { version, ...own } = current
      const saved = await saveCriteria(deps.db, projectId, version, {
        ...own,
        criteria: withProposal(own.criteria, proposal),
      })
      return c.json({ decision: body.decision, version: saved.version })
    },
  )
}

async function openProposals(
  { db, settings }: AppDeps,
  projectId: string,
): Promise<{ readonly current: Criteria; readonly proposals: readonly CriteriaProposal[] }> {
  await getProject(db, projectId)
  const current = (await savedCriteria(db, projectId)) ?? settings.defaultCriteria
  const [judged, declined] = await Promise.all([
    judgedFindings(db, projectId, current.criteria, settings.defaultCriteria.criteria),
    declinedProposals(db, projectId),
  ])
  const proposals = proposeCriteria(current.criteria, judged)
  return { current, proposals: proposals.filter(({ id }) => !declined.has(id)) }
}
