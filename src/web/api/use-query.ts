import { useCallback, useEffect, useRef, useState } from 'react'

/** Where a reading by GET stands. */
export interface Query<Value> {
  /** The newest answer; stays while it is asked for again. */
  readonly value: Value | undefined
  readonly error: unknown
  readonly isLoading: boolean
  /** Asks again; `value` stays meanwhile. */
  readonly reload: () => void
}

/**
 * Reads by GET what a panel shows. `key` names what is read: another key drops the value and the call that is under way;
 * null reads nothing. `version` asks again while the old value stays, for what an event made stale.
 */
export function useQuery<Value>(
  key: string | null,
  read: (signal: AbortSignal) => Promise<Value>,
  version: unknown = 0,
): Query<Value> {
  const [answer, setAnswer] = useState<{ key: string | null; value?: Value; error?: unknown }>({ key: null })
  const [isLoading, setLoading] = useState(key !== null)
  const [attempt, setAttempt] = useState(0)
  const latestRead = useRef(read)
  latestRead.current = read

  useEffect(() => {
    if (key === null) {
      setLoading(false)
      return
    }
    const leave = new AbortController()
    setLoading(true)
    latestRead.current(leave.signal).then(
      (value) => {
        if (leave.signal.aborted) return
        setAnswer({ key, value })
        setLoading(false)
      },
      (error: unknown) => {
        if (leave.signal.aborted) return
        setAnswer((known) => (known.key === key ? { ...known, error } : { key, error }))
        setLoading(false)
      },
    )
    return () => leave.abort()
  }, [key, version, attempt])

  const reload = useCallback(() => setAttempt((count) => count + 1), [])
  const isCurrent = answer.key === key && key !== null
  return {
    value: isCurrent ? answer.value : undefined,
    error: isCurrent ? answer.error : undefined,
    isLoading,
    reload,
  }
}
