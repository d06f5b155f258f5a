import { useCallback, useSyncExternalStore } from 'react'

const PREFIX = 'keelson.'
const listeners = new Set<() => void>()

/** A text that this browser remembers; null when it was never set or storage is forbidden. */
export function readStored(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name)
  } catch {
    return null
  }
}

/** Remembers a text, or forgets it with null. A full or forbidden storage is no failure: it is a convenience. */
export function writeStored(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, value)
  } catch {
    return
  }
  for (const listener of listeners) listener()
}

/** A remembered text as state, shared by all that use the name and by other tabs. */
export function useStored(name: string): readonly [string | null, (value: string | null) => void] {
  const value = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      window.addEventListener('storage', listener)
      return () => {
        listeners.delete(listener)
        window.removeEventListener('storage', listener)
      }
    },
    () => readStored(name),
  )
  const set = useCallback((next: string | null) => writeStored(name, next), [name])
  return [value, set]
}
