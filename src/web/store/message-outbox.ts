import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { backoffMs } from './stream.ts'
import type { ToldState } from './told-state.ts'
import type { Outgoing } from './workspace-state.ts'

const MAX_SEND_TRIES = 40

/** A message to be sent; twice with one `clientMessageId` is one message. */
export interface Draft {
  readonly text: string
  readonly conversationId: string | null
  readonly delivery: 'steer' | 'queue'
  readonly clientMessageId: string
  readonly model?: string
  readonly budget?: { maxUsd?: number; maxTurns?: number; maxMinutes?: number }
}

/** Messages on their way to the server. They stand in the state's `outgoing` until the thread shows them by itself. */
export class MessageOutbox {
  readonly #told: ToldState
  readonly #left: AbortSignal
  readonly #onNewConversation: () => void

  /** Once `left` is aborted no message is sent again; `onNewConversation` is called when a message has begun one. */
  constructor(told: ToldState, left: AbortSignal, onNewConversation: () => void) {
    this.#told = told
    this.#left = left
    this.#onNewConversation = onNewConversation
  }

  /**
   * Sends a message until the server has it or says no. Gives the ids, or null when it failed; the reason then stands in
   * `outgoing`. The same `clientMessageId` may be sent again: the server takes it once.
   */
  async send(draft: Draft): Promise<{ taskId: string; conversationId: string } | null> {
    const { clientMessageId, conversationId, text, delivery, model, budget } = draft
    const others = this.#told.value.outgoing.filter((message) => message.clientMessageId !== clientMessageId)
    const entry: Outgoing = {
      clientMessageId,
      conversationId,
      text,
      delivery,
      status: 'sending',
      messageId: null,
      error: null,
    }
    this.#told.set({ outgoing: [...others, entry] })
    const body = {
      message: text,
      clientMessageId,
      delivery,
      ...(conversationId === null ? {} : { conversationId }),
      ...(model === undefined ? {} : { model }),
      ...(budget === undefined ? {} : { budget }),
    }
    for (let tries = 1; ; tries++) {
      try {
        const accepted = await api.sendMessage(this.#told.value.projectId, body, this.#left)
        this.#change(clientMessageId, {
          status: 'accepted',
          messageId: accepted.messageId,
          conversationId: accepted.conversationId,
        })
        if (conversationId === null) this.#onNewConversation()
        this.dropConfirmed()
        return accepted
      } catch (error) {
        if (this.#left.aborted) return null
        const fault = faultOf(error)
        if (!fault.isRetryable || tries === MAX_SEND_TRIES) {
          this.#change(clientMessageId, { status: 'failed', error: fault })
          return null
        }
        await new Promise((resolve) => setTimeout(resolve, fault.retryAfterMs ?? backoffMs(tries)))
      }
    }
  }

  /** Takes a message that failed out of the thread. */
  forget(clientMessageId: string): void {
    this.#told.set({
      outgoing: this.#told.value.outgoing.filter((message) => message.clientMessageId !== clientMessageId),
    })
  }

  /** Drops what the thread shows by itself now. */
  dropConfirmed(): void {
    const { outgoing, view, histories } = this.#told.value
    if (outgoing.length === 0) return
    const shown = new Set(view.messages.map((message) => message.id))
    for (const { value } of Object.values(histories)) for (const message of value) shown.add(message.id)
    const own = new Set(view.messages.map((message) => message.clientMessageId))
    const left = outgoing.filter(
      ({ messageId, clientMessageId }) => !own.has(clientMessageId) && (messageId === null || !shown.has(messageId)),
    )
    if (left.length !== outgoing.length) this.#told.set({ outgoing: left })
  }

  #change(clientMessageId: string, changes: Partial<Outgoing>): void {
    const outgoing = this.#told.value.outgoing.map((message) =>
      message.clientMessageId === clientMessageId ? { ...message, ...changes } : message,
    )
    this.#told.set({ outgoing })
  }
}
