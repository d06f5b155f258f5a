import { useCallback, useEffect, useRef, useState } from 'react'

/**
 * A part of an answer that is read by itself from then on: every `everyMs` while `isMoving` says so of its newest value, and
 * by `reload`, which asks again until it is answered. A newer `told` takes the place of what was read meanwhile.
 */
export function useFollowed<Value>(
  told: Value,
  read: (signal: AbortSignal) => Promise<Value>,
  isMoving: (value: Value) => boolean,
  everyMs: number,
): { readonly value: Value; readonly reload: () => void } {
  const [latest, setLatest] = useState({ told, value: told })
  const [asked, setAsked] = useState(0)
  const [answered, setAnswered] = useState(0)
  const latestRead = useRef(read)
  latestRead.current = read
  const value = latest.told === told ? latest.value : told
  const isAsked = asked > answered
  const isDue = isAsked || isMoving(value)

  useEffect(() => {
    if (!isDue) return
    const leave = new AbortController()
    let isReading = false
    const look = (): void => {
      if (isReading) return
      isReading = true
      latestRead
        .current(leave.signal)
        .then(
          (newest) => {
            if (leave.signal.aborted) return
            setLatest({ told, value: newest })
            setAnswered(asked)
          },
          // What was not answered is asked for again at the next look.
          () => undefined,
        )
        .finally(() => {
          isReading = false
        })
    }
    if (isAsked) look()
    const timer = setInterval(() => {
      if (!document.hidden) look()
    }, everyMs)
    return () => {
      clearInterval(timer)
      leave.abort()
    }
  }, [told, isDue, isAsked, asked, everyMs])

  return { value, reload: useCallback(() => setAsked((count) => count + 1), []) }
}
