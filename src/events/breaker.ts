/**
 * Stops calling what does not answer. After `threshold` failures in a row it opens for a pause that doubles up to
 * `maxPauseMs`; one success closes it.
 */
export class Breaker {
  #failures = 0
  #openUntil = 0
  readonly #threshold: number
  readonly #maxPauseMs: number
  readonly #now: () => number

  constructor(options: { threshold: number; maxPauseMs: number; now?: () => number }) {
    this.#threshold = options.threshold
    this.#maxPauseMs = options.maxPauseMs
    this.#now = options.now ?? Date.now
  }

  /** Milliseconds until a call may be tried; 0 means now. */
  get pauseMs(): number {
    return Math.max(0, this.#openUntil - this.#now())
  }

  get isOpen(): boolean {
    return this.#failures >= this.#threshold
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = 0
  }

  failed(): void {
    this.#failures++
    const over = this.#failures - this.#threshold
    if (over >= 0) this.#openUntil = this.#now() + Math.min(100 * 2 ** Math.min(over, 10), this.#maxPauseMs)
  }
}
