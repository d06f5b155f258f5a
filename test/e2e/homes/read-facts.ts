/** What a home's API tells of all that is in it: read when the home is recorded, and again when it was taken over. */

import type { ApiClient } from '../../support/api.ts'
import { waitFor } from '../../support/wait-for.ts'

type Item = Readonly<Record<string, unknown>> & { readonly id: string }

export interface HomeFacts {
  readonly projects: readonly Item[]
  readonly conversations: Readonly<Record<string, readonly Item[]>>
  readonly messages: Readonly<Record<string, readonly Item[]>>
  readonly criteria: Readonly<Record<string, unknown>>
  readonly tasks: Readonly<Record<string, unknown>>
  readonly checkpoints: Readonly<Record<string, readonly Item[]>>
  readonly diffs: Readonly<Record<string, unknown>>
  readonly reviews: Readonly<Record<string, unknown>>
  /** Durable events of each project, oldest first, without what only a live reader gets. */
  readonly events: Readonly<Record<string, readonly unknown[]>>
  /** Content by project and path. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Times are moved when a home is restored, and what is said of a moment is true at that moment only. */
const OF_A_MOMENT = /At$|^(at|workers|activeTaskId|bootId)$/

function lasting<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (key, part: unknown) => (OF_A_MOMENT.test(key) ? undefined : part))) as T
}

async function listed(api: ApiClient, path: string): Promise<readonly Item[]> {
  return lasting((await api.get<{ items: Item[] }>(path)).items)
}

async function eventsOf(api: ApiClient, projectId: string, upTo: number): Promise<readonly unknown[]> {
  const stream = await api.projectStream(projectId, { after: 0 })
  await waitFor(() => stream.cursor >= upTo, `all events of ${projectId} come`)
  stream.close()
  await stream.ended
  return lasting(stream.events.filter((event) => 'seq' in event && event.seq <= upTo))
}

/** Reads everything of these projects and tasks; `latestSeq` says how many events each project has. */
export async function readFacts(
  api: ApiClient,
  known: {
    readonly taskIds: readonly string[]
    readonly latestSeq: Readonly<Record<string, number>>
    readonly paths: Readonly<Record<string, readonly string[]>>
  },
): Promise<HomeFacts> {
  const projects = await listed(api, '/api/projects?limit=200')
  const byProject = async <T>(read: (id: string) => Promise<T>): Promise<Record<string, T>> =>
    Object.fromEntries(await Promise.all(projects.map(async ({ id }) => [id, await read(id)] as const)))
  const byTask = async <T>(read: (id: string) => Promise<T>): Promise<Record<string, T>> =>
    Object.fromEntries(await Promise.all(known.taskIds.map(async (id) => [id, await read(id)] as const)))
  const conversations = await byProject((id) => listed(api, `/api/workspace/${id}/conversations`))
  const messages: Record<string, readonly Item[]> = {}
  for (const { id } of Object.values(conversations).flat()) {
    messages[id] = await listed(api, `/api/conversations/${id}/messages?limit=200`)
  }
  return {
    projects,
    conversations,
    messages,
    criteria: await byProject(async (id) => lasting(await api.get(`/api/workspace/${id}/review-criteria`))),
    tasks: await byTask(async (id) => lasting(await api.get(`/api/tasks/${id}`))),
    checkpoints: await byTask((id) => listed(api, `/api/tasks/${id}/checkpoints`)),
    diffs: await byTask(async (id) => lasting(await api.get(`/api/tasks/${id}/diff`))),
    reviews: await byTask(async (id) => lasting(await api.get(`/api/tasks/${id}/review`))),
    events: await byProject((id) => eventsOf(api, id, known.latestSeq[id] ?? 0)),
    files: await byProject(async (id) => {
      const paths = known.paths[id] ?? []
      return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await contentOf(api, id, path)])))
    }),
  }
}

/** A file's content as the API gives it, text or base64. */
export async function contentOf(api: ApiClient, projectId: string, path: string): Promise<string> {
  const query = encodeURIComponent(path)
  return (await api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=${query}`)).content
}
