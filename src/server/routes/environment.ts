import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { getProject } from '../../db/project/projects.ts'
import {
  readSetup,
  requestSetup,
  type SetupRow,
  savedEnvironment,
  saveEnvironment,
} from '../../db/workspace/environments.ts'
import { defaultEnvironment, EnvironmentBodySchema } from '../../environment/environment-schema.ts'
import { planSetup, type SetupPlan } from '../../environment/look-at-inputs.ts'
import { findToolchains, type Toolchain } from '../../environment/toolchains.ts'
import type { Sandbox } from '../../sandbox/types.ts'
import { type ApprovalPolicy, NO_POLICY } from '../../shared/approval-policy.ts'
import type { Environment, SetupStatus } from '../../shared/environment.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { AppDeps } from '../deps.ts'
import { matchedVersion } from '../if-match.ts'
import { addRoute } from '../route.ts'
import { EnvironmentSchema } from '../schemas/environment.ts'
import { NoBody, ProjectParams } from '../schemas/fields.ts'

const PROPOSAL_PATH = '.keelson/environment.json'
const MAX_PROPOSAL_BYTES = 64 * 1024
const LOOK_MS = 20_000
const TOOLCHAINS_FRESH_MS = 10 * 60_000

/** What a project's commands run in: read, saved by version, and its set-up asked for. */
export function addEnvironmentRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  const toolchains = keepToolchains()
  const path = '/api/workspace/{projectId}/environment'
  const answer = async (c: Context, projectId: string) => {
    const environment = await presentEnvironment(deps, projectId, toolchains)
    return c.json(environment, 200, { etag: `"${environment.version}"`, 'cache-control': 'no-store' })
  }
  addRoute(
    app,
    {
      method: 'get',
      path,
      summary: "Read what the project's commands run in, with the detected set-up and the project's own proposal",
      tag: 'environment',
      params: ProjectParams,
      responses: { 200: { description: 'The environment; the ETag is its version', schema: EnvironmentSchema } },
    },
    async ({ c, params }) => await answer(c, params.projectId),
  )
  addRoute(
    app,
    {
      method: 'put',
      path,
      summary: "Save what the project's commands run in; wants If-Match with the version it is based on",
      tag: 'environment',
      params: ProjectParams,
      body: EnvironmentBodySchema,
      responses: { 200: { description: 'The environment with its new version', schema: EnvironmentSchema } },
    },
    async ({ c, params, body }) => {
      const { projectId } = params
      const expected = matchedVersion(c)
      await getProject(db, projectId)
      const saved = await saveEnvironment(db, projectId, expected, body)
      await applyAtOnce(deps, projectId, saved)
      return await answer(c, projectId)
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: `${path}/setup`,
      summary: 'Have the set-up run again: by the running task at its next turn boundary, or alone',
      tag: 'environment',
      params: ProjectParams,
      body: NoBody,
      responses: {
        202: {
          description: 'It will be run',
          schema: z.object({ status: z.literal('setup_requested'), taskId: z.string().nullable() }),
        },
      },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      const { taskId } = await requestSetup(db, params.projectId)
      deps.dispatcher.kick()
      return c.json({ status: 'setup_requested', taskId }, 202)
    },
  )
}

/** A policy holds for commands that run already; a sandbox that cannot be reached is told by its next turn. */
async function applyAtOnce(deps: AppDeps, projectId: string, { network }: Environment): Promise<void> {
  try {
    const sandbox = await deps.workspaces.openExisting(projectId)
    await sandbox?.network(network)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    deps.log.warn({ projectId, code: error.code }, 'the network policy holds from the next turn on')
  }
}

type Shown = z.infer<typeof EnvironmentSchema>

async function presentEnvironment(deps: AppDeps, projectId: string, toolchains: ToolchainKeeper): Promise<Shown> {
  const { db, settings } = deps
  await getProject(db, projectId)
  const [saved, row] = await Promise.all([savedEnvironment(db, projectId), readSetup(db, projectId)])
  const environment = saved ?? defaultEnvironment(settings.defaultNetwork)
  const looked = await lookAt(deps, projectId, environment, toolchains)
  const own = environment.setup.commands.map((command) => ({ ...command, source: 'custom' as const }))
  return {
    version: environment.version,
    network: { policy: environment.network.policy, hosts: [...environment.network.hosts] },
    setup: { enabled: environment.setup.enabled, commands: [...(looked?.plan.commands ?? own)] },
    variables: [...environment.variables],
    approvals: presentPolicy(environment.approvals ?? NO_POLICY),
    services: [...environment.services],
    status: statusOf(environment, row, looked),
    registries: settings.registries().map(({ tool, hosts }) => ({ tool, hosts: [...hosts] })),
    toolchains: [...(looked?.toolchains ?? [])],
    leftOut: [...(looked?.plan.leftOut ?? [])],
    workspace: looked === null ? 'unavailable' : 'read',
    ...(looked?.proposal === undefined ? {} : { proposal: looked.proposal }),
  }
}

function presentPolicy({
  commands,
  paths,
  hosts,
  publishing = false,
  expiresInHours,
  remembered,
}: ApprovalPolicy): Shown['approvals'] {
  const lists = { commands: [...commands], paths: [...paths], hosts: [...hosts] }
  return { ...lists, publishing, expiresInHours, remembered: remembered.map((entry) => ({ ...entry })) }
}

interface Looked {
  readonly plan: SetupPlan
  readonly sandboxId: string
  readonly toolchains: readonly Toolchain[]
  readonly proposal?: { readonly path: string; readonly text: string }
}

/** What the files say. That they cannot be had right now keeps nobody from reading or changing what is stored. */
async function lookAt(
  deps: AppDeps,
  projectId: string,
  environment: Environment,
  toolchains: ToolchainKeeper,
): Promise<Looked | null> {
  const timer = new AbortController()
  const timeout = setTimeout(
    () => timer.abort(new AppError('sandbox_busy', 'The files take too long to look at.')),
    LOOK_MS,
  )
  try {
    const sandbox = await deps.workspaces.open(projectId)
    const look = { execId: `look-${newId('stp')}`, taskId: 'keelson', signal: timer.signal }
    const plan = await planSetup(sandbox, environment, look)
    const proposal = await readProposal(sandbox)
    return {
      plan,
      sandboxId: sandbox.ref.id,
      toolchains: await toolchains(sandbox, timer.signal),
      ...(proposal === null ? {} : { proposal }),
    }
  } catch (error) {
    const isOurs =
      error instanceof AppError && (error.code.startsWith('sandbox_') || error.code === 'project_source_failed')
    if (!isOurs) throw error
    deps.log.warn({ projectId, code: error.code }, 'the files could not be looked at for the environment')
    return null
  } finally {
    clearTimeout(timeout)
  }
}

function statusOf(environment: Environment, row: SetupRow, looked: Looked | null): SetupStatus {
  const isNothing = looked !== null && looked.plan.commands.length === 0
  const isStale =
    row.state === 'ready' &&
    looked !== null &&
    (row.inputsHash !== looked.plan.hash || row.sandbox !== looked.sandboxId)
  const state =
    isNothing || !environment.setup.enabled
      ? row.state === 'running'
        ? 'running'
        : 'none'
      : isStale
        ? 'stale'
        : row.state
  return {
    state,
    ...(row.finishedAt === null ? {} : { at: row.finishedAt.toISOString() }),
    ...(row.durationMs === null ? {} : { durationMs: row.durationMs }),
    ...(row.exitCode === null ? {} : { exitCode: row.exitCode }),
    ...(row.fromCache ? { fromCache: true } : {}),
    ...(row.output === null || row.output === '' ? {} : { output: row.output }),
  }
}

/** What the repository asks for holds nothing until a person takes it over. */
async function readProposal(sandbox: Sandbox): Promise<{ path: string; text: string } | null> {
  const stat = await sandbox.stat(PROPOSAL_PATH)
  if (stat?.kind !== 'file' || stat.sizeBytes > MAX_PROPOSAL_BYTES) return null
  const { data } = await sandbox.read(PROPOSAL_PATH, { maxBytes: MAX_PROPOSAL_BYTES })
  return { path: PROPOSAL_PATH, text: Buffer.from(data).toString('utf8') }
}

type ToolchainKeeper = (sandbox: Sandbox, signal: AbortSignal) => Promise<readonly Toolchain[]>

/** Toolchains are the host's, or the template's: asked once in ten minutes for each kind of sandbox. */
function keepToolchains(): ToolchainKeeper {
  const known = new Map<string, { readonly at: number; readonly found: Promise<readonly Toolchain[]> }>()
  return async (sandbox, signal) => {
    const { kind } = sandbox.ref
    const last = known.get(kind)
    if (last !== undefined && Date.now() - last.at < TOOLCHAINS_FRESH_MS) return await last.found
    const found = findToolchains(sandbox, signal)
    known.set(kind, { at: Date.now(), found })
    found.catch(() => known.delete(kind)) // whoever asked has the failure; the next one asks again
    return await found
  }
}
