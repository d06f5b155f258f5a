import type { WorkspaceState } from './workspace-state.ts'

/** More durable events than this between two frames are a past that is caught up with … */
const BURST_EVENTS = 20
/** … of which readers are shown a picture this often. */
const BURST_TELL_MS = 250

/** What the page knows of a project, and who is told when it changes: all that changed between two frames is told together. */
export class ToldState {
  readonly #listeners = new Set<() => void>()
  readonly #schedule: (notify: () => void) => void
  readonly #left: AbortSignal
  #value: WorkspaceState
  #isScheduled = false
  #untold = 0
  #toldAt = 0

  /** `schedule` runs its argument soon, at most once a frame; once `left` is aborted nothing is held back any more. */
  constructor(value: WorkspaceState, schedule: (notify: () => void) => void, left: AbortSignal) {
    this.#value = value
    this.#schedule = schedule
    this.#left = left
  }

  /** The newest state, told or not. */
  get value(): WorkspaceState {
    return this.#value
  }

  /** Gives the function that ends the subscription; ending it twice is fine. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Counts a durable event, for whether readers are shown each step. */
  noteEvent(): void {
    this.#untold++
  }

  /** Takes the changes in at once, and has readers told soon. No change at all tells nobody. */
  set(changes: Partial<WorkspaceState>): void {
    if (Object.keys(changes).length === 0) return
    this.#value = { ...this.#value, ...changes }
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#schedule(() => this.#tell())
  }

  /** To draw every step of a past would take longer than the past is worth: it is shown now and then, and its end at once. */
  #tell(): void {
    const isBurst = this.#untold > BURST_EVENTS
    this.#untold = 0
    const now = performance.now()
    if (isBurst && now - this.#toldAt < BURST_TELL_MS && !this.#left.aborted) {
      this.#schedule(() => this.#tell())
      return
    }
    this.#isScheduled = false
    this.#toldAt = now
    for (const listener of this.#listeners) listener()
  }
}
