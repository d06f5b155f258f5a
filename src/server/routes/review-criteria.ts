import { createHash } from 'node:crypto'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { z } from 'zod'
import { getProject } from '../../db/project/projects.ts'
import { criteriaPrecision, saveCriteria, savedCriteria } from '../../db/review/criteria.ts'
import { detectChecks } from '../../project/detect-checks.ts'
import { mergeChecks, ownSettings } from '../../project/project-checks.ts'
import { readProjectFiles } from '../../project/project-files.ts'
import { CriteriaBodySchema } from '../../review/criteria.ts'
import { AppError } from '../../shared/errors.ts'
import type { Check, Criteria, LeftOutCheck } from '../../shared/review.ts'
import type { AppDeps } from '../deps.ts'
import { matchedVersion } from '../if-match.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'
import { CriteriaAnswerSchema } from '../schemas/review.ts'

const PROPOSAL_PATH = 'REVIEW.md'
const MAX_PROPOSAL_CHARACTERS = 20_000

/** What a project's reviews look for: read, and saved by version. A task keeps the version that it began with. */
export function addReviewCriteriaRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const criteria = {
    path: '/api/workspace/{projectId}/review-criteria',
    tag: 'review',
    params: ProjectParams,
  } as const
  addRoute(
    app,
    {
      ...criteria,
      method: 'get',
      summary: 'Read what reviews look for, with the detected checks and the REVIEW.md that the project proposes',
      responses: { 200: { description: 'The criteria; the ETag is their version', schema: CriteriaAnswerSchema } },
    },
    async ({ c, params }) => answer(c, await currentCriteria(deps, params.projectId)),
  )
  addRoute(
    app,
    {
      ...criteria,
      method: 'put',
      summary: 'Save what reviews look for from the next task on; wants If-Match with the version it is based on',
      body: CriteriaBodySchema,
      responses: { 200: { description: 'The criteria with their new version', schema: CriteriaAnswerSchema } },
    },
    async ({ c, params, body }) => {
      const { projectId } = params
      const expected = matchedVersion(c)
      const { checks: detected } = await lookAt(deps, projectId)
      try {
        await saveCriteria(db, projectId, expected, { ...body, checks: ownSettings(detected, body.checks) })
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'version_conflict')) throw error
        const details = { current: await currentCriteria(deps, projectId) }
        throw new AppError('version_conflict', error.message, { cause: error, details })
      }
      return answer(c, await currentCriteria(deps, projectId))
    },
  )
}

function answer(c: Context, criteria: z.infer<typeof CriteriaAnswerSchema>): Response {
  return c.json(criteria, 200, { etag: `"${criteria.version}"`, 'cache-control': 'no-store' })
}

async function currentCriteria(deps: AppDeps, projectId: string): Promise<z.infer<typeof CriteriaAnswerSchema>> {
  const { db, settings } = deps
  await getProject(db, projectId)
  const [saved, precision, files] = await Promise.all([
    savedCriteria(db, projectId),
    criteriaPrecision(db, projectId),
    lookAt(deps, projectId),
  ])
  const { version, criteria, checks, maxFixRounds, enabled }: Criteria = saved ?? settings.defaultCriteria
  return {
    version,
    criteria: criteria.map((criterion) => {
      const { confirmed = 0, dismissed = 0 } = precision.get(criterion.id) ?? {}
      const judged = confirmed + dismissed
      return judged === 0 ? { ...criterion } : { ...criterion, precision: confirmed / judged, judged }
    }),
    checks: mergeChecks(files.checks, checks),
    leftOut: [...files.leftOut],
    maxFixRounds,
    enabled,
    workspace: files.workspace,
    ...(files.proposal === undefined ? {} : { proposal: files.proposal }),
  }
}

interface Files {
  readonly workspace: 'read' | 'unavailable'
  readonly checks: readonly Check[]
  readonly leftOut: readonly LeftOutCheck[]
  readonly proposal?: { readonly path: string; readonly text: string; readonly hash: string }
}

/** What the files say. That they cannot be had right now keeps nobody from reading or changing what is stored. */
async function lookAt({ workspaces, log }: AppDeps, projectId: string): Promise<Files> {
  try {
    const files = await readProjectFiles(await workspaces.open(projectId))
    const { checks: detected, leftOut } = detectChecks(files)
    const checks = detected.map(({ name, command }) => ({ name, command }))
    const review = files.texts.get(PROPOSAL_PATH)
    if (review === undefined || review.trim() === '') return { workspace: 'read', checks, leftOut }
    const text = review.slice(0, MAX_PROPOSAL_CHARACTERS)
    const hash = createHash('sha256').update(review).digest('hex')
    return { workspace: 'read', checks, leftOut, proposal: { path: PROPOSAL_PATH, text, hash } }
  } catch (error) {
    if (!(error instanceof AppError && (error.code.startsWith('sandbox_') || error.code === 'project_source_failed')))
      throw error
    log.warn({ projectId, code: error.code }, 'the files could not be looked at for the review criteria')
    return { workspace: 'unavailable', checks: [], leftOut: [] }
  }
}
