import type { ModelReading } from '../model/types.ts'

/** Tells people of a wait for a model's reply, one word after the other, while the call itself goes on. */
export class ToldReadings {
  readonly #tell: (reading: ModelReading) => Promise<void>
  #last: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  constructor(tell: (reading: ModelReading) => Promise<void>) {
    this.#tell = tell
  }

  /** Never throws: what fails is thrown by {@link settled}. */
  add(reading: ModelReading): void {
    this.#last = this.#last
      .then(() => (this.#failure === undefined ? this.#tell(reading) : undefined))
      .catch((error: unknown) => {
        this.#failure = { error }
      })
  }

  /** Waits for the last word; throws what telling threw first, such as `lease_lost`. */
  async settled(): Promise<void> {
    await this.#last
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
