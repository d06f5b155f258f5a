import type { StreamEvent } from '../../src/events/topics.ts'
import type { ReviewState } from '../../src/shared/review.ts'
import type { DiffStat, Outcome, TaskReason, TaskStatus, Usage } from '../../src/shared/task.ts'
import { EventStream } from './event-stream.ts'
import { waitFor } from './wait-for.ts'

const CALL_TIMEOUT_MS = 30_000

export interface Answer<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export interface ErrorAnswer {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly retryable?: boolean
    readonly details?: Readonly<Record<string, unknown>>
  }
  readonly requestId: string
}

export interface Accepted {
  readonly taskId: string
  readonly messageId: string
  readonly conversationId: string
  readonly projectId: string
  readonly joined: boolean
  readonly cursor: number
  readonly eventsUrl: string
}

export interface ApiTask {
  readonly id: string
  readonly projectId: string
  readonly conversationId: string
  readonly workflowId: string
  readonly status: TaskStatus
  readonly phase: string
  readonly turn: number
  readonly round: number
  readonly outcome?: Outcome
  readonly reason?: TaskReason
  readonly review: ReviewState
  readonly usage: Usage
  readonly costUsd: number | null
  readonly diffStat: DiffStat
  readonly workers: 'polling' | 'none'
}

export interface ApiMessage {
  readonly id: string
  readonly taskId: string
  readonly role: string
  readonly text: string
  readonly status: string
  readonly parts: readonly { readonly type: string }[]
}

export interface ChatBody {
  readonly message: string
  readonly conversationId?: string
  readonly clientMessageId?: string
  readonly delivery?: 'steer' | 'queue'
  readonly model?: string
  readonly forceRegenerateContext?: boolean
  readonly budget?: object
}

export interface OpenStream {
  readonly after?: number | string
  readonly lastEventId?: number | string
  readonly topics?: string
}

/** Speaks to one server as another program would: over HTTP, with the token. */
export class ApiClient {
  readonly #address: () => { readonly url: string; readonly apiToken: string }
  readonly #open = new Set<EventStream>()

  constructor(address: () => { readonly url: string; readonly apiToken: string }) {
    this.#address = address
  }

  /** Any request, answered as it came; JSON bodies are parsed. */
  async call<T = unknown>(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const content = body === undefined ? undefined : JSON.stringify(body)
    return await this.send<T>(method, path, content, {
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    })
  }

  /** The same with a body of the caller's own making. */
  async send<T = unknown>(
    method: string,
    path: string,
    body: string | Uint8Array | undefined,
    headers: Record<string, string>,
  ): Promise<Answer<T>> {
    const { url, apiToken } = this.#address()
    const response = await fetch(new URL(path, url), {
      method,
      headers: { accept: 'application/json', authorization: `Bearer ${apiToken}`, ...headers },
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('application/json') === true
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T }
  }

  /** The body of a call that must succeed. */
  async get<T>(path: string): Promise<T> {
    return await this.#good<T>('GET', path)
  }

  async post<T>(path: string, body: object = {}): Promise<T> {
    return await this.#good<T>('POST', path, body)
  }

  async #good<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.call<T>(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async newProject(source: object = { kind: 'empty' }): Promise<string> {
    return (await this.post<{ id: string }>('/api/projects', { name: 'e2e', source })).id
  }

  async newConversation(projectId: string): Promise<string> {
    return (await this.post<{ id: string }>(`/api/workspace/${projectId}/conversations`)).id
  }

  /** Posts a message and takes the 202. */
  async chat(projectId: string, body: ChatBody): Promise<Accepted> {
    return await this.post<Accepted>(`/api/workspace/${projectId}/claude/chat`, body)
  }

  /** Posts a message and reads its task's stream. */
  async chatStream(projectId: string, body: ChatBody): Promise<EventStream> {
    return await this.#stream('POST', `/api/workspace/${projectId}/claude/chat`, {}, body)
  }

  async taskStream(taskId: string, open: OpenStream = {}): Promise<EventStream> {
    return await this.#stream('GET', `/api/tasks/${taskId}/events`, open)
  }

  async projectStream(projectId: string, open: OpenStream = {}): Promise<EventStream> {
    return await this.#stream('GET', `/api/workspace/${projectId}/events`, open)
  }

  async task(taskId: string): Promise<ApiTask> {
    return await this.get<ApiTask>(`/api/tasks/${taskId}`)
  }

  /** The task once it has ended. */
  async ended(taskId: string, timeoutMs = 90_000): Promise<ApiTask> {
    return await waitFor(
      async () => {
        const task = await this.task(taskId)
        return ['completed', 'failed', 'cancelled'].includes(task.status) && task
      },
      `${taskId} ends`,
      timeoutMs,
    )
  }

  async messages(conversationId: string): Promise<readonly ApiMessage[]> {
    const path = `/api/conversations/${conversationId}/messages?limit=200`
    return (await this.get<{ items: ApiMessage[] }>(path)).items
  }

  /** Everything that is stored of a task, as a late reader gets it. */
  async storedEvents(taskId: string): Promise<StreamEvent[]> {
    const stream = await this.taskStream(taskId)
    await stream.untilTerminal()
    await stream.ended
    return stream.events
  }

  /** Leaves every stream that is still open. */
  close(): void {
    for (const stream of this.#open) stream.close()
    this.#open.clear()
  }

  async #stream(method: string, path: string, open: OpenStream, body?: object): Promise<EventStream> {
    const { url, apiToken } = this.#address()
    const target = new URL(path, url)
    if (open.after !== undefined) target.searchParams.set('after', String(open.after))
    if (open.topics !== undefined) target.searchParams.set('topics', open.topics)
    const abort = new AbortController()
    const response = await fetch(target, {
      method,
      signal: abort.signal,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${apiToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(open.lastEventId === undefined ? {} : { 'last-event-id': String(open.lastEventId) }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    const stream = new EventStream(response, abort)
    this.#open.add(stream)
    return stream
  }
}
