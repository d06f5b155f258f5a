import { useEffect, useSyncExternalStore } from 'react'
import { api } from '../api/client.ts'
import type { Approval } from '../api/types.ts'

const EVERY_MS = 15_000

let items: readonly Approval[] = []
const listeners = new Set<() => void>()
let reading: Promise<void> | null = null

/** Reads anew what waits for a person in all projects; two calls at once are one. Keeps what is known when it cannot. */
export function refreshInbox(): void {
  reading ??= api
    .listApprovals(null)
    .then((page) => {
      items = page.items
      for (const listener of listeners) listener()
    })
    // The header says that the server is away; the next look is soon.
    .catch(() => undefined)
    .finally(() => {
      reading = null
    })
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** What waits for a person in all projects, as of the last look; looks again while the page is seen. */
export function useInbox(): readonly Approval[] {
  useEffect(() => {
    refreshInbox()
    const timer = setInterval(() => {
      if (!document.hidden) refreshInbox()
    }, EVERY_MS)
    return () => clearInterval(timer)
  }, [])
  return useSyncExternalStore(subscribe, () => items)
}
