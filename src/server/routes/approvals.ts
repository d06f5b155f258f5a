import type { OpenAPIHono } from '@hono/zod-openapi'
import type { z } from 'zod'
import { getProject } from '../../db/project/projects.ts'
import { type Approval, getApproval, listApprovals } from '../../db/task/approval-rows.ts'
import { decideApproval } from '../../db/task/decide-approval.ts'
import type { DecisionScope } from '../../shared/approval.ts'
import { AppError } from '../../shared/errors.ts'
import {
  ApprovalListSchema,
  ApprovalParams,
  ApprovalProjectQuery,
  ApprovalSchema,
  ApprovalsQuery,
  DecisionBodySchema,
} from '../approval-schemas.ts'
import type { AppDeps } from '../deps.ts'
import { presentPage } from '../present.ts'
import { addRoute } from '../route.ts'

/** What waits for a person, everywhere, and a person's decision on it. */
export function addApprovalRoutes(app: OpenAPIHono, { db, dispatcher }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/approvals',
      summary: 'List what waits for a person, of one project or of all, oldest first',
      tag: 'approvals',
      query: ApprovalsQuery,
      responses: { 200: { description: 'A page of approvals', schema: ApprovalListSchema } },
    },
    async ({ c, query }) => {
      const { projectId, status, after, limit } = query
      if (projectId !== undefined) await getProject(db, projectId)
      const isOpen = status === 'all' ? null : status === 'open'
      const page = await listApprovals(db, { projectId, isOpen, after, limit })
      return c.json(presentPage(page, presentApproval))
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/approvals/{approvalId}',
      summary: 'Read one of them',
      tag: 'approvals',
      params: ApprovalParams,
      responses: { 200: { description: 'The approval', schema: ApprovalSchema } },
    },
    async ({ c, params }) => c.json(presentApproval(await getApproval(db, params.approvalId))),
  )
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/approvals/{approvalId}',
      summary: 'Answer a question, or approve or deny what the policy holds back; the task goes on',
      tag: 'approvals',
      params: ApprovalParams,
      query: ApprovalProjectQuery,
      body: DecisionBodySchema,
      responses: { 200: { description: 'The approval with the decision', schema: ApprovalSchema } },
    },
    async ({ c, params, query, body }) => {
      const { id, projectId, taskId, projectName } = await getApproval(db, params.approvalId, query.projectId)
      const { decision, answer, note } = body
      const scope = scopeOf(body)
      const decided = await decideApproval(
        db,
        { projectId, taskId },
        {
          approvalId: id,
          decision,
          by: 'user',
          ...(answer === undefined ? {} : { answer }),
          ...(note === undefined ? {} : { note }),
          ...(scope === undefined ? {} : { scope }),
        },
        { tellWorkflow: true, isRepeatFine: false },
      )
      dispatcher.kick()
      return c.json(presentApproval({ ...decided, projectName }))
    },
  )
}

function scopeOf({ remember, scope }: z.output<typeof DecisionBodySchema>): DecisionScope | undefined {
  if (remember === undefined) return scope
  if (scope !== undefined && (scope === 'project') !== remember) {
    const details = { remember: 'says something else than scope; give one of them' }
    throw new AppError('bad_request', `remember: ${details.remember}`, { details })
  }
  return remember ? 'project' : scope
}

function presentApproval(approval: Approval): z.input<typeof ApprovalSchema> {
  const { id, projectId, projectName, conversationId, taskId, turn, kind, title, detail, state } = approval
  const { options, paths, ...texts } = detail
  return {
    id,
    approvalId: id,
    projectId,
    projectName,
    conversationId,
    taskId,
    turn,
    kind,
    title,
    ...texts,
    ...(options === undefined ? {} : { options: [...options] }),
    ...(paths === undefined ? {} : { paths: [...paths] }),
    status: state,
    ...(approval.answer === null ? {} : { answer: approval.answer }),
    ...(approval.note === null ? {} : { note: approval.note }),
    ...(approval.scope === null ? {} : { scope: approval.scope }),
    ...(approval.decidedBy === null ? {} : { decidedBy: approval.decidedBy }),
    requestedAt: approval.requestedAt.toISOString(),
    expiresAt: approval.expiresAt.toISOString(),
    ...(approval.decidedAt === null ? {} : { decidedAt: approval.decidedAt.toISOString() }),
  }
}
