/**
 * Who may call the model now: the breaker that all tasks of a process share. While the model is away one call at a time
 * goes through as a trial, at intervals that grow; the others wait in line. Holds no timer and calls nobody: whoever
 * drives it asks {@link CallGate.advance} after every change and when the time that it named has come.
 *
 * Invariants: (1) a waiting ticket leaves the line only by being let through or by `end`; (2) while open at most one
 * ticket is let through a pause; (3) only a whole reply closes the gate, so a server that begins to answer and breaks
 * off stays behind it.
 */

import { Breaker } from '../shared/breaker.ts'

/** Availability failures in a row, of all tasks together, after which the gate opens. */
const THRESHOLD = 5
const BASE_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 30_000
const JITTER = 0.4
/** How many calls may be in flight beside a trial that has begun to answer; each whole reply doubles it. */
const FIRST_WINDOW = 4

/** How a call ended: `answered` by the model's server, `failed` because it is not available, `dropped` without news. */
export type CallNews = 'answered' | 'dropped' | { readonly failed: true; readonly waitMs?: number | undefined }

/** One call that is to be made; known by its identity. */
export interface Ticket {
  readonly enteredAt: number
}

/** The gate's clock in milliseconds and its source of chance, for tests. */
export interface CallGateOptions {
  readonly now?: () => number
  readonly random?: () => number
}

/**
 * Lets calls of one model through while it answers, and one trial at a time while it is away, so that many waiting
 * tasks do not besiege a server that comes back. Keeps its state in memory: each worker learns by itself.
 */
export class CallGate {
  readonly #breaker: Breaker
  readonly #now: () => number
  readonly #line = new Set<Ticket>()
  /** Let through since the gate last opened; what calls from before still say is old news. */
  readonly #inFlight = new Set<Ticket>()
  #trial: Ticket | undefined
  /** Calls that may be in flight while the model comes back; null while it is away. */
  #window: number | null = null
  /** After a trial that ended without news the next one waits as well. */
  #notBefore = 0

  constructor(options: CallGateOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#breaker = new Breaker({
      ...options,
      threshold: THRESHOLD,
      basePauseMs: BASE_PAUSE_MS,
      maxPauseMs: MAX_PAUSE_MS,
      jitter: JITTER,
    })
  }

  /** Nothing waits and nothing is held back. */
  get isIdle(): boolean {
    return !this.isOpen && this.#line.size === 0 && this.#inFlight.size === 0
  }

  /** Whether calls have to wait in line. */
  get isOpen(): boolean {
    return this.#breaker.isOpen || this.#line.size > 0
  }

  get waiting(): number {
    return this.#line.size
  }

  /** Availability failures since the last whole reply. */
  get failures(): number {
    return this.#breaker.failures
  }

  /** Milliseconds until the next trial may be made. */
  get pauseMs(): number {
    return Math.max(this.#breaker.pauseMs, this.#notBefore - this.#now())
  }

  /** Joins the line; `advance` says when it may call. */
  enter(): Ticket {
    const ticket: Ticket = { enteredAt: this.#now() }
    this.#line.add(ticket)
    return ticket
  }

  /** The call's reply has begun: others may try beside it. */
  began(ticket: Ticket): void {
    if (ticket === this.#trial) this.#window ??= FIRST_WINDOW
  }

  /** The call is over, or whoever waited gave up. Once for each ticket; a repeat changes nothing. */
  end(ticket: Ticket, news: CallNews): void {
    if (this.#line.delete(ticket) || !this.#inFlight.delete(ticket)) return
    const isTrial = ticket === this.#trial
    if (isTrial) this.#trial = undefined
    if (typeof news === 'object') this.#fail(news.waitMs)
    else if (news === 'answered') this.#answer()
    else if (isTrial && this.#window === null) this.#notBefore = this.#now() + BASE_PAUSE_MS
  }

  /** Lets through whose turn has come. `nextMs`: when to ask again if nothing happens before; null for never. */
  advance(): { readonly released: readonly Ticket[]; readonly nextMs: number | null } {
    const released: Ticket[] = []
    for (const ticket of this.#line) {
      if (!this.#mayPass()) break
      this.#line.delete(ticket)
      this.#inFlight.add(ticket)
      if (this.#breaker.isOpen && this.#window === null) this.#trial = ticket
      released.push(ticket)
    }
    // A window that served its purpose; the next opening begins with a trial again.
    if (!this.#breaker.isOpen && this.#line.size === 0) this.#window = null
    const isHeld = this.#line.size > 0 && this.#window === null && this.#trial === undefined
    return { released, nextMs: isHeld ? Math.max(1, this.pauseMs) : null }
  }

  #mayPass(): boolean {
    if (this.#window !== null) return this.#inFlight.size < this.#window
    if (!this.#breaker.isOpen) return true
    return this.#trial === undefined && this.pauseMs <= 0
  }

  #fail(waitMs: number | undefined): void {
    this.#breaker.failed(waitMs)
    if (!this.#breaker.isOpen) return
    this.#inFlight.clear()
    this.#trial = undefined
    this.#window = null
  }

  #answer(): void {
    const wasOpen = this.#breaker.isOpen
    this.#breaker.succeeded()
    if (wasOpen || this.#window !== null) this.#window = Math.min(1_000_000, 2 * (this.#window ?? FIRST_WINDOW / 2))
  }
}
