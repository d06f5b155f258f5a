/**
 * Remembers for a while that something refused its work although it answers, such as a database on a full disk: what a
 * look cannot see, the last attempt has shown.
 */
export class RecentFailure {
  #failedAt = Number.NEGATIVE_INFINITY
  readonly #forMs: number
  readonly #now: () => number

  /** A failure counts for `forMs`, or until the next success. `now` is a clock in milliseconds that only goes forward. */
  constructor(options: { forMs: number; now?: () => number }) {
    this.#forMs = options.forMs
    this.#now = options.now ?? (() => performance.now())
  }

  get isFailing(): boolean {
    return this.#now() - this.#failedAt < this.#forMs
  }

  failed(): void {
    this.#failedAt = this.#now()
  }

  succeeded(): void {
    this.#failedAt = Number.NEGATIVE_INFINITY
  }
}
