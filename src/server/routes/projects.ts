import type { OpenAPIHono } from '@hono/zod-openapi'
import { createProject, deleteProject, getProject, listProjects, renameProject } from '../../db/project/projects.ts'
import { latestSeq } from '../../db/stream/events.ts'
import { setProjectBudget } from '../../db/task/budgets.ts'
import { requestCancel } from '../../db/task/lifecycle.ts'
import { unfinishedTasks } from '../../db/task/tasks.ts'
import type { GitSource } from '../../sandbox/fill.ts'
import { wayOutFor } from '../../sandbox/providers.ts'
import { allowedPath } from '../../sandbox/sources/allowed-path.ts'
import { refuseBoundRepository } from '../../sandbox/sources/folder-filter.ts'
import type { SandboxKind } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { gitCredentialFor } from '../../sources/git-credential.ts'
import { gitHostOf } from '../../sources/git-host.ts'
import type { AppDeps } from '../deps.ts'
import { presentPage, presentProject } from '../present.ts'
import { addRoute } from '../route.ts'
import { PageQuery, ProjectParams } from '../schemas/fields.ts'
import { CreateProjectBody, PatchProjectBody, ProjectListSchema, ProjectSchema } from '../schemas/projects.ts'

/** Projects: made, listed, read, changed, deleted. */
export function addProjectRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db, settings } = deps
  const one = { method: 'get', path: '/api/projects/{projectId}', tag: 'projects', params: ProjectParams } as const

  addRoute(
    app,
    {
      method: 'post',
      path: '/api/projects',
      summary: 'Make a project',
      tag: 'projects',
      body: CreateProjectBody,
      responses: { 201: { description: 'The project', schema: ProjectSchema } },
    },
    async ({ c, body }) => {
      const source =
        body.source.kind === 'path'
          ? { ...body.source, path: await confined(body.source.path, settings.projectRoots) }
          : body.source
      if (source.kind === 'git') await requireSource(deps, source)
      const sandboxProvider = body.sandboxProvider ?? settings.sandboxProvider
      requireProvider(deps, sandboxProvider)
      const project = await createProject(db, { name: body.name, source, sandboxProvider })
      return c.json(presentProject(project), 201)
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/projects',
      summary: 'List the projects, oldest first',
      tag: 'projects',
      query: PageQuery,
      responses: { 200: { description: 'A page of projects', schema: ProjectListSchema } },
    },
    async ({ c, query }) => c.json(presentPage(await listProjects(db, query), presentProject)),
  )
  addRoute(
    app,
    { ...one, summary: 'Read a project', responses: { 200: { description: 'The project', schema: ProjectSchema } } },
    async ({ c, params }) => {
      const seq = await latestSeq(db, params.projectId)
      const project = await getProject(db, params.projectId)
      return c.json({ ...presentProject(project), latestSeq: seq })
    },
  )
  addRoute(
    app,
    {
      ...one,
      method: 'patch',
      summary: 'Rename a project, set its limits; a task that waits for them goes on',
      body: PatchProjectBody,
      responses: { 200: { description: 'The project', schema: ProjectSchema } },
    },
    async ({ c, params, body }) => {
      if (body.budget !== undefined) {
        await setProjectBudget(db, params.projectId, body.budget)
        deps.dispatcher.kick()
      }
      const unchanged = body.name === undefined
      const project = unchanged
        ? await getProject(db, params.projectId)
        : await renameProject(db, params.projectId, body.name ?? '')
      return c.json(presentProject(project))
    },
  )
  addRoute(
    app,
    {
      ...one,
      method: 'delete',
      summary: 'Delete a project: its task is stopped, its sandbox destroyed',
      responses: { 204: { description: 'Deleted' } },
    },
    async ({ c, params }) => {
      const project = await getProject(db, params.projectId)
      // Youngest first: those that wait are closed at once, so that none of them starts when the running one ends.
      for (const task of await unfinishedTasks(db, project.id)) await cancelQuietly(deps, task.id)
      await deleteProject(db, project.id)
      deps.dispatcher.kick()
      return c.body(null, 204)
    },
  )
}

/** The host may be used, and a credential that is named is there and belongs to it: said before anything is sent. */
async function requireSource({ settings, credentials }: AppDeps, source: GitSource): Promise<void> {
  const host = naming('source.url', () => gitHostOf(source.url, settings.gitOrigins))
  const { credentialId } = source
  if (credentialId === undefined) return
  try {
    const found = await gitCredentialFor(credentials, source, host)
    if (found?.id === credentialId) return
    throw new AppError('project_source_failed', `There is no git credential ${credentialId}.`)
  } catch (error) {
    throw error instanceof AppError && error.code === 'project_source_failed'
      ? namingField('source.credentialId', error)
      : error
  }
}

function requireProvider({ sandboxes }: AppDeps, kind: SandboxKind): void {
  if (sandboxes.kinds.includes(kind)) return
  throw new AppError('bad_request', `sandboxProvider: ${kind} is not set up here; ${wayOutFor(kind)}`, {
    details: { sandboxProvider: `set up here: ${sandboxes.kinds.join(', ')}` },
  })
}

async function cancelQuietly(deps: AppDeps, taskId: string): Promise<void> {
  try {
    await requestCancel(deps.db, taskId, { by: 'user', reason: 'Its project was deleted.' })
  } catch (error) {
    // The task ended by itself meanwhile, which serves as well.
    if (!(error instanceof AppError && error.code === 'task_over')) throw error
  }
}

/** The real path of a folder that a project may come from, and that works when it is copied. */
async function confined(path: string, roots: readonly string[]): Promise<string> {
  const real = await allowedPath(path, roots)
  if (real === null) {
    throw new AppError('bad_request', 'source.path: is not below a directory that projects may come from', {
      details: { 'source.path': 'must lie below one of the directories in KEELSON_PROJECT_ROOTS' },
    })
  }
  try {
    await refuseBoundRepository(real)
  } catch (error) {
    throw namingField('source.path', error)
  }
  return real
}

/** Runs a check whose refusal is the caller's mistake in a field. */
function naming<T>(field: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw namingField(field, error)
  }
}

function namingField(field: string, error: unknown): unknown {
  if (!(error instanceof AppError)) return error
  return new AppError('bad_request', `${field}: ${error.message}`, { details: { [field]: error.message } })
}
