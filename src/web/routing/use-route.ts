import { useMemo, useSyncExternalStore } from 'react'
import { formatRoute, parseRoute, type Route } from './route.ts'

const listeners = new Set<() => void>()
/** Counts moves, so that going to the same place again is a move too. */
let moves = 0

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('popstate', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('popstate', listener)
  }
}

/** Where the page is, by its address. */
export function useRoute(): Route {
  const address = useSyncExternalStore(subscribe, () => `${location.pathname}\n${location.search}\n${moves}`)
  return useMemo(() => {
    const [pathname = '/', search = ''] = address.split('\n')
    return parseRoute(pathname, search)
  }, [address])
}

/** Goes to a place. `replace` leaves no trace in the history, for moves that the page makes by itself. */
export function goTo(route: Route, options: { replace?: boolean } = {}): void {
  const address = formatRoute(route)
  if (options.replace) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  moves++
  for (const listener of listeners) listener()
}
