import { useEffect, useSyncExternalStore } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { whenSignedOut } from '../api/request.ts'
import type { Instance } from '../api/types.ts'
import { HOME } from '../routing/route.ts'
import { goTo } from '../routing/use-route.ts'

/**
 * Who sits before the page: signed in, signed out with a sentence why, or not known while the server does not answer.
 */
export type SessionState =
  | { readonly kind: 'checking' }
  | { readonly kind: 'in'; readonly instance: Instance; readonly isFirstVisit: boolean }
  | { readonly kind: 'out'; readonly message: string }
  | { readonly kind: 'unreachable' }

const OUT = 'This browser is not signed in. Open the link that "npm start" printed.'
const RETRY_MS = 2_000

let session: SessionState = { kind: 'checking' }
let isBegun = false
const listeners = new Set<() => void>()

function set(next: SessionState): void {
  session = next
  for (const listener of listeners) listener()
}

/** Whether this browser may use the server, and what the server is. Begins on first use. */
export function useSession(): SessionState {
  useEffect(() => {
    if (isBegun) return
    isBegun = true
    whenSignedOut(() => set({ kind: 'out', message: OUT }))
    void begin()
  }, [])
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => session,
  )
}

/** Reads the server's state again, e.g. after a worker came or went. Failures leave what is known. */
export async function refreshInstance(): Promise<void> {
  if (session.kind !== 'in') return
  try {
    const instance = await api.instance()
    if (session.kind === 'in') set({ ...session, instance })
  } catch {
    // The header shows the lost connection; this is only a figure in it.
  }
}

/** Signs in with the API token. Throws `ApiFault` when it is not the right one. */
export async function signIn(apiToken: string): Promise<void> {
  await api.exchangeApiToken(apiToken)
  await enter(false, null)
}

/** Ends this browser's sign-in, on the server too. Throws `ApiFault`; then it is still signed in. */
export async function signOut(): Promise<void> {
  await api.signOut()
  set({ kind: 'out', message: 'You are signed out.' })
}

/** The setup token stands in the fragment, which browsers send to nobody; it leaves the address at once. */
async function begin(): Promise<void> {
  const setupToken = new URLSearchParams(location.hash.slice(1)).get('setup')
  let refusal: string | null = null
  if (setupToken !== null) {
    goTo(HOME, { replace: true })
    try {
      await api.exchangeSetupToken(setupToken)
    } catch (error) {
      refusal = faultOf(error).message
    }
  }
  await enter(setupToken !== null && refusal === null, refusal)
}

async function enter(isFirstVisit: boolean, refusal: string | null): Promise<void> {
  try {
    const instance = await api.instance()
    set({ kind: 'in', instance, isFirstVisit })
  } catch (error) {
    const fault = faultOf(error)
    if (fault.code === 'unauthorized') {
      set({ kind: 'out', message: refusal ?? OUT })
      return
    }
    set({ kind: 'unreachable' })
    setTimeout(() => void enter(isFirstVisit, refusal), RETRY_MS)
  }
}
