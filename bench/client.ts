/** The least that a benchmark needs of the HTTP contract: make a project, post, read the stream to its end. */

import { createParser } from 'eventsource-parser'

export interface Target {
  readonly url: string
  readonly apiToken: string
}

async function postJson(target: Target, path: string, body: unknown, accept: string): Promise<Response> {
  const response = await fetch(`${target.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${target.apiToken}`, 'content-type': 'application/json', accept },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(600_000),
  })
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  return response
}

export async function createProject(target: Target, files: Record<string, string>): Promise<string> {
  const source = { kind: 'files', files }
  const response = await postJson(target, '/api/projects', { name: 'bench', source }, 'application/json')
  const { id } = (await response.json()) as { id: string }
  return id
}

export interface TaskTimes {
  readonly taskId: string
  /** From the request to the first frame. */
  readonly firstEventMs: number
  /** From the request to the end of the stream. */
  readonly totalMs: number
  readonly outcome: string
  readonly events: number
}

/** Posts a message and reads its task's stream to the end. */
export async function runTask(target: Target, projectId: string, message: string): Promise<TaskTimes> {
  const startedAt = performance.now()
  let firstEventMs = Number.NaN
  let last: { type?: string; outcome?: string; taskId?: string; reason?: { code: string } } = {}
  let events = 0
  const parser = createParser({
    onEvent({ event, data }) {
      if (event === 'ping') return
      if (events === 0) firstEventMs = performance.now() - startedAt
      events += 1
      last = JSON.parse(data) as typeof last
    },
  })
  const response = await postJson(target, `/api/workspace/${projectId}/claude/chat`, { message }, 'text/event-stream')
  if (!response.body) throw new Error('the answer has no body')
  const decoder = new TextDecoder()
  for await (const chunk of response.body) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
  const outcome = last.outcome ?? last.reason?.code ?? last.type ?? 'nothing'
  return { taskId: last.taskId ?? '', firstEventMs, totalMs: performance.now() - startedAt, outcome, events }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
