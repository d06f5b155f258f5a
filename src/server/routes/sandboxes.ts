import { setTimeout as sleep } from 'node:timers/promises'
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { listSandboxes, type SandboxRecord } from '../../db/workspace/sandboxes.ts'
import { estimateCost } from '../../sandbox/cost.ts'
import type { SandboxKind, SandboxSummary } from '../../sandbox/types.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'

/** How long a provider may take to name its sandboxes; after that what is recorded is shown, as `unknown`. */
const LIST_MS = 5_000
const MAX_LISTED = 10_000

const Time = z.iso.datetime()
const SandboxSchema = z
  .object({
    projectId: z.string(),
    provider: z.string(),
    owner: z.string().openapi({ description: 'Name of the installation that made it' }),
    generation: z.number(),
    state: z.enum(['running', 'paused', 'stranger', 'gone', 'unknown', 'not_made']),
    createdAt: Time,
    ageSeconds: z.number(),
    lastUsedAt: Time.optional(),
    endsAt: Time.optional(),
    cost: z.object({ usd: z.number().nullable(), usdPerHour: z.number().nullable(), basis: z.string() }),
  })
  .openapi('Sandbox')

/** The ledger of sandboxes: what is recorded and what the providers themselves name. */
export function addSandboxRoutes(app: OpenAPIHono, { db, sandboxes, log }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/sandboxes',
      summary: 'List every sandbox with its owner, age, state and estimated cost',
      tag: 'sandboxes',
      responses: {
        200: {
          description: 'All sandboxes; oldest first, those that no project has last',
          schema: z.object({ items: z.array(SandboxSchema), nextAfter: z.null() }),
        },
      },
    },
    async ({ c }) => {
      const live = new Map<SandboxKind, Map<string, SandboxSummary> | null>()
      await Promise.all(
        sandboxes.kinds.map(async (kind) => {
          live.set(kind, await liveOf(kind))
        }),
      )
      const { deployment, records } = await listSandboxes(db)
      const known = records.map((record) => presentRecord(deployment, record, live))
      const ids = new Set(records.map((record) => record.ref?.id))
      const strangers = [...live.values()]
        .flatMap((each) => [...(each?.values() ?? [])])
        .filter((summary) => !ids.has(summary.ref.id))
        .map((summary) => present(deployment, { summary, state: 'stranger' }))
      return c.json({ items: [...known, ...strangers], nextAfter: null })
    },
  )

  /** Null when the provider cannot be asked now. */
  async function liveOf(kind: SandboxKind): Promise<Map<string, SandboxSummary> | null> {
    const found = new Map<string, SandboxSummary>()
    const gather = async () => {
      for await (const summary of sandboxes.of(kind).list()) {
        found.set(summary.ref.id, summary)
        if (found.size >= MAX_LISTED) return
      }
    }
    const inTime = new AbortController()
    const late = sleep(LIST_MS, 'late', { signal: inTime.signal }).catch(() => 'late')
    try {
      return (await Promise.race([gather(), late])) === 'late' ? null : found
    } catch (error) {
      log.warn({ err: error, provider: kind }, 'a provider does not name its sandboxes')
      return null
    } finally {
      inTime.abort()
    }
  }
}

function presentRecord(
  deployment: string,
  record: SandboxRecord,
  live: ReadonlyMap<SandboxKind, ReadonlyMap<string, SandboxSummary> | null>,
) {
  const { ref } = record
  if (ref === null) return present(deployment, { record, state: 'not_made' })
  const listed = live.get(ref.kind)
  if (!listed) return present(deployment, { record, state: 'unknown' })
  const summary = listed.get(ref.id)
  return present(deployment, summary ? { record, summary, state: summary.state } : { record, state: 'gone' })
}

type SandboxState = z.infer<typeof SandboxSchema>['state']

function present(
  owner: string,
  of: { readonly record?: SandboxRecord; readonly summary?: SandboxSummary; readonly state: SandboxState },
) {
  const { record, summary, state } = of
  const createdAt = summary?.createdAt ?? record?.createdAt.getTime() ?? Date.now()
  const ageMs = Math.max(0, Date.now() - createdAt)
  const isRunning = summary?.state === 'running'
  const kind = summary?.ref.kind ?? record?.ref?.kind ?? (record?.provider === 'e2b' ? 'e2b' : 'local-bwrap')
  const use = { runningMs: isRunning ? ageMs : 0, cpus: summary?.cpus, memoryMb: summary?.memoryMb }
  return {
    projectId: summary?.ref.projectId ?? record?.projectId ?? '',
    provider: summary?.ref.kind ?? record?.provider ?? kind,
    owner,
    generation: summary?.ref.generation ?? record?.generation ?? 0,
    state,
    createdAt: new Date(createdAt).toISOString(),
    ageSeconds: Math.round(ageMs / 1000),
    ...(record && { lastUsedAt: record.lastUsedAt.toISOString() }),
    ...(summary?.endAt !== undefined && { endsAt: new Date(summary.endAt).toISOString() }),
    cost: estimateCost(kind, use),
  }
}
