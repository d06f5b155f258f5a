import { closesOf } from './closes.ts'
import { APPLIED, FENCED, type LiveOp } from './live-script.ts'
import { encodeEvent } from './live-wire.ts'
import { OutgoingPart } from './outgoing-part.ts'
import { type Close, type NewDelta, partKey, type StoredEvent } from './topics.ts'

/** Parts that one project may have open here; the oldest gives way, since a part whose end nobody told must not stay. */
const MAX_OPEN_PARTS = 64
/** Steps that wait while Redis is away. Beyond it only closings stay: Postgres has the events, the parts have the text. */
const MAX_WAITING_STEPS = 1_000

type Step =
  | { readonly kind: 'event'; readonly line: string; readonly bytes: number }
  | { readonly kind: 'close'; readonly close: Close }
  | { readonly kind: 'delta'; readonly part: OutgoingPart }

/** What one script call carries and what its answers belong to. */
export interface Batch {
  readonly ops: readonly LiveOp[]
  readonly sent: readonly { readonly part: OutgoingPart; readonly from: number; readonly to: number }[]
  readonly steps: readonly Step[]
}

/**
 * What waits to be published for one project, in order. Pure: the publisher decides when to take a batch (one at a
 * time) and tells how it went. A delta step only names its part, so it costs nothing to keep while Redis is away.
 */
export class OutgoingLine {
  readonly #parts = new Map<string, OutgoingPart>()
  #steps: Step[] = []

  get isIdle(): boolean {
    return this.#steps.length === 0 && this.#parts.size === 0
  }

  get hasWork(): boolean {
    return this.#steps.length > 0
  }

  /** Adds durable events, after every delta that came before them. */
  addEvents(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#push({ kind: 'event', line: encodeEvent(event), bytes: event.data.length })
      for (const close of closesOf(event)) {
        this.#push({ kind: 'close', close })
        this.#forget(close)
      }
    }
  }

  /** Adds a delta. `fresh` is how much of it was new, `isFirst` whether it opened its part. */
  addDelta(delta: NewDelta, lease: number): { fresh: number; isFirst: boolean; isOutput: boolean } {
    const known = this.#parts.get(partKey(delta.scope.taskId ?? '', delta.payload.partId))
    if (known !== undefined && lease < known.lease) return { fresh: 0, isFirst: false, isOutput: known.isOutput }
    const isFirst = known === undefined || lease > known.lease
    const part = isFirst ? new OutgoingPart(delta, lease) : known
    if (isFirst) this.#open(part)
    const fresh = part.append(delta)
    if (fresh > 0) this.#goOn(part)
    return { fresh, isFirst, isOutput: part.isOutput }
  }

  /** Takes the steps from the front that fit into one call. */
  take(maxSteps: number, maxBytes: number): Batch {
    const ops: LiveOp[] = []
    const sent: { part: OutgoingPart; from: number; to: number }[] = []
    const steps: Step[] = []
    let bytes = 0
    while (steps.length < maxSteps && bytes < maxBytes) {
      const step = this.#steps[steps.length]
      if (step === undefined) break
      steps.push(step)
      bytes += step.kind === 'event' ? step.bytes : 0
      if (step.kind === 'event') ops.push({ op: 'event', line: step.line })
      else if (step.kind === 'close') ops.push(closeOp(step.close))
      else {
        const { part } = step
        const from = part.cursor
        const to = part.sendableEnd()
        if (to <= from) continue
        ops.push(part.opOf(from, to))
        sent.push({ part, from, to })
        part.cursor = to
        bytes += to - from
      }
    }
    this.#steps.splice(0, steps.length)
    return { ops, sent, steps }
  }

  /** Notes the answers of a call: parts that Redis has less or more of go on from there, fenced ones are given up. */
  succeeded(batch: Batch, answers: readonly number[]): void {
    batch.sent.forEach(({ part }, i) => {
      const answer = answers[i] ?? APPLIED
      if (!this.#isOpen(part)) return
      // A length below the base: Redis lost the beginning, which a dead worker sent; viewers wait for the closing event.
      if (answer === FENCED || (answer !== APPLIED && answer < part.base)) this.#parts.delete(part.key)
      else if (answer !== APPLIED) {
        part.cursor = answer
        if (part.length > answer) this.#goOn(part)
      }
    })
  }

  /** Puts the steps of a call that got no answer back in front; whether it was applied does not matter. */
  failed(batch: Batch): void {
    for (const { part, from } of batch.sent) part.cursor = from
    const again = new Set(batch.steps.flatMap((step) => (step.kind === 'delta' ? [step.part] : [])))
    const rest = this.#steps.filter((step) => step.kind !== 'delta' || !again.has(step.part))
    this.#steps = [...batch.steps, ...rest]
    this.#trim()
  }

  /**
   * Forgets parts that got nothing new since the last call: their attempt lost its lease to another process, which closes
   * them there. A part that moves again goes on at the offset of its next delta.
   */
  forgetQuiet(): void {
    for (const [key, part] of this.#parts) {
      if (part.hasMoved) part.hasMoved = false
      else this.#parts.delete(key)
    }
  }

  #goOn(part: OutgoingPart): void {
    const isWaiting = this.#steps.some((step) => step.kind === 'delta' && step.part === part)
    if (!isWaiting) this.#push({ kind: 'delta', part })
  }

  #open(part: OutgoingPart): void {
    this.#parts.set(part.key, part)
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= MAX_OPEN_PARTS) break
      this.#parts.delete(oldest)
    }
  }

  #forget(close: Close): void {
    if (close.kind === 'part') this.#parts.delete(partKey(close.taskId, close.partId))
    else {
      for (const part of this.#parts.values()) {
        if (part.taskId !== close.taskId) continue
        if (close.kind === 'task' || part.turn === close.turn) this.#parts.delete(part.key)
      }
    }
  }

  #push(step: Step): void {
    this.#steps.push(step)
    this.#trim()
  }

  #trim(): void {
    if (this.#steps.length <= MAX_WAITING_STEPS) return
    this.#steps = this.#steps.filter(
      (step) => step.kind === 'close' || (step.kind === 'delta' && this.#isOpen(step.part)),
    )
    this.#steps = this.#steps.slice(-MAX_WAITING_STEPS)
  }

  #isOpen(part: OutgoingPart): boolean {
    return this.#parts.get(part.key) === part
  }
}

function closeOp(close: Close): LiveOp {
  if (close.kind === 'part') return { op: 'close-part', taskId: close.taskId, partId: close.partId }
  if (close.kind === 'turn') return { op: 'close-turn', taskId: close.taskId, turn: close.turn }
  return { op: 'close-task', taskId: close.taskId }
}
