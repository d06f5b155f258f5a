/**
 * Stops calling what does not answer. After `threshold` failures in a row it opens for a pause that doubles with each
 * further failure up to `maxPauseMs`; one success closes it. Pure but for its clock and its dice; it holds no timer.
 */

const DEFAULT_BASE_PAUSE_MS = 100
const MAX_DOUBLINGS = 20

/** When a breaker opens, and for how long: after `threshold` failures in a row, each pause twice the one before. */
export interface BreakerOptions {
  readonly threshold: number
  /** The first pause, in milliseconds; 100 when left out. */
  readonly basePauseMs?: number
  readonly maxPauseMs: number
  /** The share of a pause that chance may take off it, 0 to 1, so that many processes do not call at once. */
  readonly jitter?: number
  readonly now?: () => number
  readonly random?: () => number
}

/** Keeps calls from a service that has just failed several times; see {@link BreakerOptions}. One process alone. */
export class Breaker {
  #failures = 0
  #openUntil = 0
  readonly #options: BreakerOptions
  readonly #now: () => number

  constructor(options: BreakerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Milliseconds until a call may be tried; 0 means now. */
  get pauseMs(): number {
    return Math.max(0, this.#openUntil - this.#now())
  }

  get isOpen(): boolean {
    return this.#failures >= this.#options.threshold
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = 0
  }

  /** `waitMs` is the time that the other side asked to be left alone: it opens at once, for at least that long. */
  failed(waitMs?: number): void {
    this.#failures += 1
    if (waitMs !== undefined) this.#failures = Math.max(this.#failures, this.#options.threshold)
    const over = this.#failures - this.#options.threshold
    if (over < 0) return
    const { basePauseMs = DEFAULT_BASE_PAUSE_MS, maxPauseMs, jitter = 0, random = Math.random } = this.#options
    const chance = jitter * random()
    const pauseMs = Math.min(basePauseMs * 2 ** Math.min(over, MAX_DOUBLINGS), maxPauseMs) * (1 - chance)
    // Nobody may come before the time that was asked for, so chance only adds to it.
    this.#openUntil = this.#now() + Math.max(pauseMs, (waitMs ?? 0) * (1 + chance))
  }
}
