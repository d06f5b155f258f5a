/** What the server was asked, for tests that count model calls and look at requests. */

import type { IncomingMessage } from 'node:http'
import type { Usage } from '../shared/task.ts'

/** One request as tests see it; the last fields are filled when it was answered. */
export interface JournalEntry {
  /** Counts from 1. */
  readonly seq: number
  readonly at: number
  readonly taskId: string | null
  readonly model: string | null
  /** `x-stainless-retry-count`: anything but 0 means that the SDK itself tried again. */
  readonly sdkRetry: number
  readonly messages: number
  lane: 'coder' | 'reviewer' | null
  turn: number | null
  /** 0: the connection was closed without an answer. Null while the answer is being made. */
  status: number | null
  error: string | null
  fault: string | null
  stopReason: string | null
  usage: Usage | null
  /** Whether the whole reply was sent; false when the client left or a fault cut it. */
  delivered: boolean
  endedAt: number | null
}

const MAX_ENTRIES = 10_000

/** Keeps the newest 10,000 requests, and the bodies of as many as it is told to. */
export class RequestJournal {
  #entries: JournalEntry[] = []
  #bodies: unknown[] = []
  #count = 0
  readonly #keepBodies: number

  constructor(keepBodies: number) {
    this.#keepBodies = keepBodies
  }

  begin(request: IncomingMessage, body: unknown): JournalEntry {
    const fields = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {}
    const metadata = fields['metadata'] as { readonly user_id?: unknown } | undefined
    const entry: JournalEntry = {
      seq: ++this.#count,
      at: Date.now(),
      taskId: typeof metadata?.user_id === 'string' ? metadata.user_id : null,
      model: typeof fields['model'] === 'string' ? fields['model'] : null,
      sdkRetry: Number(request.headers['x-stainless-retry-count'] ?? 0),
      messages: Array.isArray(fields['messages']) ? fields['messages'].length : 0,
      lane: null,
      turn: null,
      status: null,
      error: null,
      fault: null,
      stopReason: null,
      usage: null,
      delivered: false,
      endedAt: null,
    }
    this.#entries.push(entry)
    if (this.#entries.length > MAX_ENTRIES) this.#entries.splice(0, MAX_ENTRIES / 10)
    if (this.#keepBodies > 0) {
      this.#bodies.push(body)
      if (this.#bodies.length > this.#keepBodies) this.#bodies.shift()
    }
    return entry
  }

  entries(): readonly JournalEntry[] {
    return this.#entries
  }

  bodies(): readonly unknown[] {
    return this.#bodies
  }

  reset(): void {
    this.#entries = []
    this.#bodies = []
  }
}
