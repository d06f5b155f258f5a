import { setTimeout as sleep } from 'node:timers/promises'

export interface Accepted {
  readonly taskId: string
  readonly messageId: string
  readonly conversationId: string
  readonly joined: boolean
}

export interface ChatBody {
  readonly message: string
  readonly clientMessageId: string
  readonly conversationId?: string
  readonly delivery?: 'steer' | 'queue'
}

/** What the product answered with a status that is not a passing one. */
export class Refused extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(`${status} ${code}: ${message}`)
    this.status = status
    this.code = code
  }
}

const CALL_TIMEOUT_MS = 8_000
const PAUSE_MS = 150
/** The longest that a call may have to be repeated while parts are away. */
const PATIENCE_MS = 120_000

/** A client as careful ones are: it repeats a call until it has an answer, under the same clientMessageId. */
export interface Api {
  createProject(name: string): Promise<string>
  createConversation(projectId: string): Promise<string>
  chat(projectId: string, body: ChatBody): Promise<Accepted>
  /** False when the task was over. */
  cancel(taskId: string): Promise<boolean>
}

/** `servers`: one address, or several that are tried in turn. */
export function createApi(servers: string | readonly string[], token: string): Api {
  const once = async (baseUrl: string, method: string, path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const answer = (await response.json()) as { error?: { code: string; message: string } }
    if (response.ok) return answer
    throw new Refused(response.status, answer.error?.code ?? '', answer.error?.message ?? '')
  }
  const patiently = async <T>(method: string, path: string, body: unknown): Promise<T> => {
    const giveUpAt = Date.now() + PATIENCE_MS
    const addresses = typeof servers === 'string' ? [servers] : servers
    for (let tries = 0; ; tries++) {
      try {
        return (await once(addresses[tries % addresses.length] ?? '', method, path, body)) as T
      } catch (error) {
        const isPassing = !(error instanceof Refused) || error.status === 503 || error.status === 429
        if (!isPassing || Date.now() > giveUpAt) throw error
        await sleep(PAUSE_MS)
      }
    }
  }
  return {
    async createProject(name) {
      return (await patiently<{ id: string }>('POST', '/api/projects', { name, source: { kind: 'empty' } })).id
    },
    async createConversation(projectId) {
      return (await patiently<{ id: string }>('POST', `/api/workspace/${projectId}/conversations`, {})).id
    },
    chat: (projectId, body) => patiently<Accepted>('POST', `/api/workspace/${projectId}/claude/chat`, body),
    async cancel(taskId) {
      try {
        await patiently('POST', `/api/tasks/${taskId}/cancel`, { reason: 'chaos' })
        return true
      } catch (error) {
        if (error instanceof Refused && error.code === 'task_over') return false
        throw error
      }
    },
  }
}
