import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { getConversation, UNTITLED } from '../../db/project/conversations.ts'
import { getProject } from '../../db/project/projects.ts'
import { createPublication, getPublication, listPublications, type Publication } from '../../db/task/publications.ts'
import { readTaskRecords } from '../../db/task/task-records.ts'
import { getTask, type Task } from '../../db/task/tasks.ts'
import { newestCheckpoints } from '../../db/workspace/checkpoints.ts'
import { refusedBranch } from '../../publish/branch-name.ts'
import { asPublished, changeBody, changeTitle, requestOf } from '../../publish/change-text.ts'
import { defaultBranch, spareBranch } from '../../publish/publish-steps.ts'
import { gitProject } from '../../publish/publish-work.ts'
import { publishedTree } from '../../publish/published-tree.ts'
import { noChanges, taskPatch } from '../../publish/task-patch.ts'
import { isInEffect } from '../../restore/is-in-effect.ts'
import { AppError } from '../../shared/errors.ts'
import { publishWorkflowIdFor } from '../../shared/publication.ts'
import type { AppDeps } from '../deps.ts'
import { presentPage } from '../present.ts'
import { addRoute } from '../route.ts'
import { PageQuery, ProjectParams, TaskParams } from '../schemas/fields.ts'
import { nonBlankText, wellFormedText } from '../text.ts'

/** Patches that are made at once; more are told to come back. */
const MAX_PATCHES = 4

/** How far back an undo of the task is looked for. */
const MAX_PAST = 5_000
const MAX_TITLE = 200
const MAX_BODY = 20_000

const PublishBody = z
  .strictObject({
    branch: wellFormedText(240).optional().openapi({ description: 'keelson/<the conversation’s title> when left out' }),
    title: nonBlankText(MAX_TITLE).optional(),
    body: wellFormedText(MAX_BODY).optional().openapi({ description: 'Stands in the place of the request’s words' }),
    pullRequest: z.boolean().default(false),
    draft: z.boolean().default(false),
    clientPublishId: nonBlankText(128).optional(),
    allowWorkflowFiles: z.boolean().default(false),
    // Without a default: what was stored of the same wish before there were forks stays the same.
    fork: z
      .boolean()
      .optional()
      .openapi({ description: 'Push to the own fork of the token’s owner, made when there is none' }),
  })
  .openapi('Publish')

/** A publication: what was asked for, how far it came, and how it ended. */
export const PublicationSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    conversationId: z.string(),
    taskId: z.string(),
    workflowId: z.string(),
    status: z.enum(['running', 'finished', 'failed']),
    step: z.enum(['approving', 'building', 'pushing', 'opening', 'done']),
    branch: z.string(),
    title: z.string(),
    approvalId: z.string().optional().openapi({ description: 'What it waits for, while its step is approving' }),
    commit: z.string().optional(),
    parent: z.string().optional(),
    baseBranch: z.string().optional(),
    branchUrl: z.string().optional(),
    wantsPullRequest: z.boolean(),
    wantsFork: z.boolean(),
    fork: z.string().optional().openapi({ description: 'The fork’s owner and name, once it is known' }),
    draft: z.boolean(),
    pullRequest: z
      .object({ number: z.number(), url: z.string() })
      .nullable()
      .openapi({ description: 'null until there is one' }),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .openapi('Publication')
const PublicationParams = z.object({ publicationId: z.string().regex(/^[\w.:-]{1,128}$/) })
const PublicationQuery = PageQuery.extend({ taskId: z.string().max(128).optional() })

/** The work gets out: as a patch, and as a branch with a pull request. */
export function addPublishRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addPatchRoute(app, deps)
  addPublishRoute(app, deps)
  addReadRoutes(app, deps)
}

function addPatchRoute(app: OpenAPIHono, deps: AppDeps): void {
  let busy = 0
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/patch',
      summary: 'Download what a task changed as a mailbox for `git am`; what the ignore files name is left out',
      tag: 'publishing',
      params: TaskParams,
      responses: { 200: { description: 'The patch', schema: z.string(), mediaType: 'application/mbox' } },
    },
    async ({ c, params }) => {
      const task = await getTask(deps.db, params.taskId)
      if (busy >= MAX_PATCHES) {
        const message = `${MAX_PATCHES} patches are being made already. Try again in a moment.`
        throw new AppError('rate_limited', message, { retryAfterMs: 2_000 })
      }
      busy += 1
      try {
        const { gitAuthor: author } = deps.settings
        const open = (projectId: string) => deps.workspaces.open(projectId)
        const mailbox = await taskPatch({ db: deps.db, open, author }, task, c.req.raw.signal)
        return new Response(new Uint8Array(mailbox), {
          headers: {
            'content-type': 'application/mbox',
            'content-disposition': `attachment; filename="${task.id}.patch"`,
            'cache-control': 'no-store',
          },
        })
      } finally {
        busy -= 1
      }
    },
  )
}

function addPublishRoute(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/tasks/{taskId}/publish',
      summary: 'Publish what a task changed: a commit on a branch of its repository, and a pull request if asked for',
      tag: 'publishing',
      params: TaskParams,
      body: PublishBody,
      responses: {
        202: {
          description: 'It is under way',
          schema: z.object({ publicationId: z.string(), branch: z.string(), status: z.string() }),
        },
      },
    },
    async ({ c, params, body }) => {
      const { db } = deps
      const refusal = body.branch === undefined ? null : refusedBranch(body.branch)
      if (refusal !== null) {
        throw new AppError('bad_request', `branch: ${refusal}.`, { details: { branch: refusal } })
      }
      const task = await getTask(db, params.taskId)
      await gitProject(db, task.projectId)
      const treeHash = await publishedTree(db, task)
      await requireInEffect(deps, task)
      const [record] = await readTaskRecords(db, [task.id])
      const { title: conversation } = await getConversation(db, task.conversationId)
      const request = changeTitle(record === undefined ? '' : requestOf(record))
      const branch = defaultBranch(conversation === UNTITLED ? request : conversation)
      const { clientPublishId, ...wish } = body
      const made = await createPublication(db, {
        projectId: task.projectId,
        conversationId: task.conversationId,
        taskId: task.id,
        treeHash,
        branch: body.branch,
        defaultBranch: branch,
        spareBranch: spareBranch({ branch, conversationId: task.conversationId }),
        title: body.title === undefined ? request : changeTitle(body.title),
        body: record === undefined ? (body.body ?? '') : changeBody(asPublished(task, treeHash), record, body.body),
        pullRequest: body.pullRequest,
        draft: body.draft,
        allowWorkflowFiles: body.allowWorkflowFiles,
        wantsFork: body.fork === true,
        clientPublishId,
        request: JSON.stringify({ taskId: task.id, ...wish }),
      })
      deps.dispatcher.kick()
      return c.json({ publicationId: made.id, branch: made.branch, status: made.status }, 202)
    },
  )
}

/** Throws `task_undone` when the files went back to before the task, or to somewhere within it. */
async function requireInEffect({ db }: AppDeps, task: Task): Promise<void> {
  if (task.latestTree === null) throw noChanges('This task changed no files.')
  const past = await newestCheckpoints(db, task.projectId, MAX_PAST)
  if (isInEffect(past, { id: task.id, latestTree: task.latestTree })) return
  const message = 'What this task changed was taken back. Restore its last checkpoint first, or take its patch.'
  throw new AppError('task_undone', message, { details: { taskId: task.id } })
}

function addReadRoutes(app: OpenAPIHono, { db }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/publications/{publicationId}',
      summary: 'Read a publication',
      tag: 'publishing',
      params: PublicationParams,
      responses: { 200: { description: 'The publication', schema: PublicationSchema } },
    },
    async ({ c, params }) => c.json(presentPublication(await getPublication(db, params.publicationId))),
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/publications',
      summary: 'List the publications of a project, or of one of its tasks, oldest first',
      tag: 'publishing',
      params: ProjectParams,
      query: PublicationQuery,
      responses: {
        200: {
          description: 'A page of publications',
          schema: z.object({ items: z.array(PublicationSchema), nextAfter: z.string().nullable() }),
        },
      },
    },
    async ({ c, params, query }) => {
      await getProject(db, params.projectId)
      return c.json(presentPage(await listPublications(db, params.projectId, query), presentPublication))
    },
  )
}

/** A publication as the contract has it. Pure. */
export function presentPublication(publication: Publication): z.infer<typeof PublicationSchema> {
  const { id, projectId, conversationId, taskId, status, step, branch, title, draft } = publication
  const { commit, parent, baseBranch, branchUrl, pullRequestNumber: number, pullRequestUrl: url } = publication
  return {
    id,
    projectId,
    conversationId,
    taskId,
    workflowId: publishWorkflowIdFor(id),
    status,
    step,
    branch,
    title,
    ...(publication.approvalId === null ? {} : { approvalId: publication.approvalId }),
    ...(commit === null ? {} : { commit }),
    ...(parent === null ? {} : { parent }),
    ...(baseBranch === null ? {} : { baseBranch }),
    ...(branchUrl === null ? {} : { branchUrl }),
    wantsPullRequest: publication.pullRequest,
    wantsFork: publication.wantsFork,
    ...(publication.fork === null ? {} : { fork: publication.fork }),
    draft,
    pullRequest: number === null || url === null ? null : { number, url },
    ...(publication.errorCode === null
      ? {}
      : { error: { code: publication.errorCode, message: publication.errorMessage ?? '' } }),
    createdAt: publication.createdAt.toISOString(),
    finishedAt: publication.finishedAt?.toISOString() ?? null,
  }
}
