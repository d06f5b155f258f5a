/**
 * Remembers what each conversation has sent and refuses a request that edits it. The service does so for conversations
 * with thinking blocks; here it holds for all, since an edited history also empties the cache.
 */

import { type Prefix, TOOL_CALL } from './prefix.ts'
import { invalid, type WireError, type WireRequest } from './wire.ts'

const MAX_SEGMENTS = 5_000
const MAX_CONVERSATIONS_PER_SEGMENT = 16

type MessageHashes = readonly (readonly string[])[]

/** Keeps what each task sent, to refuse a request that changes its history instead of adding to it. */
export class ConversationLog {
  /** Keyed by user id and static prefix: another system prompt or tool list starts afresh. */
  readonly #segments = new Map<string, MessageHashes[]>()

  /**
   * Takes a request that continues, repeats or starts a conversation; throws the 400 for one that changes what was sent
   * before. Free to differ: the end of the last user message, to which text may be added while its reply was never
   * accepted, and a new first message, which starts a new conversation. Requests without `metadata.user_id` pass.
   */
  take(request: WireRequest, prefix: Prefix): void {
    const userId = request.metadata?.user_id
    if (userId === undefined) return
    const key = `${userId}\n${prefix.staticChain}`
    const known = this.#segments.get(key) ?? []
    const at = known.findIndex((conversation) => sameStart(conversation, prefix.messages))
    const before = known[at]
    if (before) {
      const edited = firstEdit(before, prefix.messages)
      if (edited !== -1) throw editedAt(edited)
      if (!extends_(prefix.messages, before)) return
      known[at] = prefix.messages
    } else {
      if (known.some((conversation) => sharesReply(conversation, prefix.messages))) throw editedAt(0)
      known.push(prefix.messages)
      if (known.length > MAX_CONVERSATIONS_PER_SEGMENT) known.shift()
    }
    this.#keep(key, known)
  }

  #keep(key: string, conversations: MessageHashes[]): void {
    this.#segments.delete(key)
    this.#segments.set(key, conversations)
    if (this.#segments.size <= MAX_SEGMENTS) return
    const oldest = this.#segments.keys().next()
    if (!oldest.done) this.#segments.delete(oldest.value)
  }
}

function editedAt(index: number): WireError {
  return invalid(
    `messages.${index}: an earlier message of this conversation was changed. The history is append-only: system, tools and all earlier messages must stay as they were sent.`,
  )
}

/** The same conversation: the shorter of the two first messages begins the longer one. */
function sameStart(a: MessageHashes, b: MessageHashes): boolean {
  const [first, other] = [a[0] ?? [], b[0] ?? []]
  return first.length <= other.length ? begins(first, other) : begins(other, first)
}

/** Tool ids are unique, so the same call under another first message means that the first message was edited. */
function sharesReply(a: MessageHashes, b: MessageHashes): boolean {
  const [reply, other] = [a[1], b[1]]
  return (
    reply !== undefined && other !== undefined && reply.some((own) => own.startsWith(TOOL_CALL) && other.includes(own))
  )
}

/** Index of the first message that differs where it must not; -1 when there is none. */
function firstEdit(before: MessageHashes, now: MessageHashes): number {
  const shared = Math.min(before.length, now.length)
  for (let index = 0; index < shared; index++) {
    const [old, fresh] = [before[index] ?? [], now[index] ?? []]
    const openEnd = index === before.length - 1 || index === now.length - 1
    const same = old.length === fresh.length && begins(old, fresh)
    if (!same && !(openEnd && (begins(old, fresh) || begins(fresh, old)))) return index
  }
  return -1
}

function extends_(now: MessageHashes, before: MessageHashes): boolean {
  if (now.length !== before.length) return now.length > before.length
  return (now.at(-1)?.length ?? 0) >= (before.at(-1)?.length ?? 0)
}

function begins(start: readonly string[], whole: readonly string[]): boolean {
  return start.length <= whole.length && start.every((hash, index) => whole[index] === hash)
}
