/** A signal that a timer of its own ends, and that ends with other signals too. */
export interface TimeLimit {
  /** Fires at the first of: the time limit, one of the given signals. Its reason is theirs, or a `TimeoutError`. */
  readonly signal: AbortSignal
  /** Takes the time limit away; the given signals still end `signal`. Safe to repeat. */
  lift(): void
  /** Lets go of the timer and of the given signals: `signal` never fires again by itself. Safe to repeat. */
  release(): void
}

/**
 * Starts a time limit of `timeoutMs` milliseconds that also ends with any of `others`. The timer holds the signal until
 * the caller releases it: a signal from `AbortSignal.any` holds a source from `AbortSignal.timeout` only weakly, so that
 * a garbage collection takes the timeout away and whoever waits for it waits for ever.
 */
export function limitTime(timeoutMs: number, ...others: readonly AbortSignal[]): TimeLimit {
  const controller = new AbortController()
  const listeners = others.map((other) => ({ other, onAbort: () => end(other.reason) }))
  const timer = setTimeout(() => end(new DOMException(`No end within ${timeoutMs} ms`, 'TimeoutError')), timeoutMs)
  const lift = () => clearTimeout(timer)
  const release = () => {
    lift()
    for (const { other, onAbort } of listeners) other.removeEventListener('abort', onAbort)
  }
  const end = (reason: unknown) => {
    release()
    controller.abort(reason)
  }
  for (const { other, onAbort } of listeners) other.addEventListener('abort', onAbort)
  const ended = others.find((other) => other.aborted)
  if (ended !== undefined) end(ended.reason)
  return { signal: controller.signal, lift, release }
}
