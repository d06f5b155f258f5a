import type { LiveDelta } from './live-wire.ts'
import { type Close, partKey } from './topics.ts'

/** Closed parts that are remembered, so that a late delta does not open them again. */
const MAX_REMEMBERED = 2_000
const MAX_PIECES = 1_500

interface OpenPart {
  readonly lease: number
  readonly taskId: string
  readonly turn: number
  length: number
  deltas: LiveDelta[]
}

/**
 * The parts of one project that no durable event has closed yet, folded from deltas. Pure. One rule everywhere: a delta
 * applies from the length on; all of it below: seen already; beginning beyond: something is missing.
 */
export class OpenParts {
  readonly #parts = new Map<string, OpenPart>()
  readonly #closed = new Set<string>()

  get size(): number {
    return this.#parts.size
  }

  /** The delta as it joined on, cut to what was new; else why it did not. */
  apply(delta: LiveDelta): LiveDelta | 'seen' | 'missing' {
    const key = partKey(delta.taskId, delta.partId)
    if (this.#closed.has(key)) return 'seen'
    const known = this.#parts.get(key)
    if (known !== undefined && delta.lease < known.lease) return 'seen'
    const part = known !== undefined && beginsAnew(delta, known) ? undefined : known
    const length = part?.length ?? 0
    if (delta.offset > length) return 'missing'
    if (delta.offset + delta.units <= length) return 'seen'
    // A piece that Redis had lost comes again joined with what followed it.
    const fresh = delta.offset === length ? delta : cutBefore(delta, length)
    if (part === undefined) {
      const { lease, taskId, turn } = fresh
      this.#parts.set(key, { lease, taskId, turn, length: fresh.units, deltas: [fresh] })
    } else {
      part.length += fresh.units
      part.deltas.push(fresh)
    }
    return fresh
  }

  close(close: Close): void {
    if (close.kind === 'part') this.#remove(partKey(close.taskId, close.partId))
    else {
      for (const [key, part] of this.#parts) {
        const isMeant = part.taskId === close.taskId && (close.kind === 'task' || part.turn === close.turn)
        if (!isMeant) continue
        if (close.kind === 'turn' && close.streamsAgain) this.#parts.delete(key)
        else this.#remove(key)
      }
    }
  }

  /**
   * Each open part's deltas from offset 0, for whoever joins now. They are the pieces that everybody got, not merged: a
   * reader that comes back with half of a part drops those it has and goes on. Only a part of very many pieces is merged
   * (such a reader then waits for the closing event), since each piece costs some 300 bytes.
   */
  snapshot(): LiveDelta[][] {
    return [...this.#parts.values()].map((part) => {
      if (part.deltas.length > MAX_PIECES) part.deltas = [merge(part.deltas)]
      return part.deltas
    })
  }

  #remove(key: string): void {
    this.#parts.delete(key)
    this.#closed.delete(key)
    this.#closed.add(key)
    if (this.#closed.size <= MAX_REMEMBERED) return
    for (const oldest of this.#closed) {
      this.#closed.delete(oldest)
      break
    }
  }
}

/**
 * A newer attempt that begins a reply again: what an older one left of it is void. A command's output is the same for
 * every attempt that watches it, so a newer one that sends it from the start (Redis had lost it) repeats what is known.
 */
function beginsAnew(delta: LiveDelta, known: OpenPart): boolean {
  return delta.type !== 'output' && delta.offset === 0 && delta.lease > known.lease
}

interface DeltaPayload {
  readonly data?: string
  readonly delta?: string
}

function cutBefore(delta: LiveDelta, offset: number): LiveDelta {
  const skip = offset - delta.offset
  const payload = JSON.parse(delta.data) as DeltaPayload
  const content =
    delta.type === 'output'
      ? {
          data: Buffer.from(payload.data ?? '', 'base64')
            .subarray(skip)
            .toString('base64'),
        }
      : { delta: (payload.delta ?? '').slice(skip) }
  return { ...delta, offset, units: delta.units - skip, data: JSON.stringify({ ...payload, offset, ...content }) }
}

function merge(deltas: readonly LiveDelta[]): LiveDelta {
  const first = deltas[0]
  if (first === undefined) throw new Error('an open part has no delta')
  const payloads = deltas.map((delta) => JSON.parse(delta.data) as DeltaPayload)
  const content =
    first.type === 'output'
      ? { data: Buffer.concat(payloads.map(({ data }) => Buffer.from(data ?? '', 'base64'))).toString('base64') }
      : { delta: payloads.map(({ delta }) => delta ?? '').join('') }
  const units = deltas.reduce((sum, delta) => sum + delta.units, 0)
  return { ...first, units, data: JSON.stringify({ ...payloads[0], ...content }) }
}
