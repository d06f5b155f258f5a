import type { ApiMessage, Page } from '../api/types.ts'
import type { MessageView } from '../state.ts'
import { messageFromApi } from './from-api.ts'
import type { Loaded } from './loaded.ts'

const MAX_PAGES = 500

/** A conversation's messages by GET, oldest first. While the earlier ones are still being read they are missing at the start only. */
export interface History extends Loaded<readonly MessageView[]> {
  /** Holds the conversation from its first message on. */
  readonly isWhole: boolean
}

/** What was read of a conversation so far: its end, and once it is whole all of it. */
export interface HistoryPart {
  readonly value: readonly MessageView[]
  readonly isWhole: boolean
}

/**
 * Reads a conversation from its end: `onPart` gets the newest page at once, then more with each earlier page, at most
 * 100,000 messages. What is known already is not read again once the pages reach it and nothing before can still change;
 * until they reach it nothing is told, so that no part has a hole. `read` takes a message id and gives the page before it,
 * newest first; what it throws comes through, and what was told stays true.
 */
export async function readHistory(
  known: HistoryPart,
  read: (after: string | undefined) => Promise<Page<ApiMessage>>,
  onPart: (part: HistoryPart) => void,
): Promise<void> {
  let old = known.value
  let fresh: readonly MessageView[] = []
  let after: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, nextAfter } = await read(after)
    fresh = [...items.map(messageFromApi).toReversed(), ...fresh]
    if (nextAfter === null) {
      onPart({ value: fresh, isWhole: true })
      return
    }
    after = nextAfter
    const ids = new Set(fresh.map(({ id }) => id))
    const reached = old.findIndex(({ id }) => ids.has(id))
    if (reached < 0 && old.length > 0) continue
    const earlier = old.slice(0, Math.max(0, reached))
    const value = [...earlier, ...fresh]
    const isJoined = reached >= 0 && earlier.every(isSettled)
    onPart({ value, isWhole: known.isWhole && reached >= 0 })
    if (!isJoined) continue
    if (known.isWhole) return
    // An earlier reading stopped there: goes on before its oldest message.
    old = []
    fresh = value
    after = value[0]?.id
  }
}

/** Whether the database says the same of it for ever. */
function isSettled({ status, parts }: MessageView): boolean {
  if (status === 'queued' || status === 'streaming') return false
  return parts.every((part) => part.type !== 'tool' || part.status === 'finished')
}
