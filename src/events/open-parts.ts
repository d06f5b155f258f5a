import { type Close, partKey } from './closes.ts'
import type { LiveDelta } from './live-wire.ts'

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
 * applies when its offset equals the length; lower: seen already; higher: something is missing.
 */
export class OpenParts {
  readonly #parts = new Map<string, OpenPart>()
  readonly #closed = new Set<string>()

  get size(): number {
    return this.#parts.size
  }

  apply(delta: LiveDelta): 'applied' | 'seen' | 'missing' {
    const key = partKey(delta.taskId, delta.partId)
    if (this.#closed.has(key)) return 'seen'
    const part = this.#parts.get(key)
    if (part !== undefined && delta.lease < part.lease) return 'seen'
    const length = part?.length ?? 0
    if (delta.offset < length) return 'seen'
    if (delta.offset > length) return 'missing'
    if (part === undefined) {
      const { lease, taskId, turn } = delta
      this.#parts.set(key, { lease, taskId, turn, length: delta.units, deltas: [delta] })
    } else {
      part.length += delta.units
      part.deltas.push(delta)
    }
    return 'applied'
  }

  close(close: Close): void {
    if (close.kind === 'part') this.#remove(partKey(close.taskId, close.partId))
    else {
      for (const [key, part] of this.#parts) {
        const isMeant = part.taskId === close.taskId && (close.kind === 'task' || part.turn === close.turn)
        if (isMeant) this.#remove(key)
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

function merge(deltas: readonly LiveDelta[]): LiveDelta {
  const first = deltas[0]
  if (first === undefined) throw new Error('an open part has no delta')
  const payloads = deltas.map((delta) => JSON.parse(delta.data) as { data?: string; delta?: string })
  const content =
    first.type === 'output'
      ? { data: Buffer.concat(payloads.map(({ data }) => Buffer.from(data ?? '', 'base64'))).toString('base64') }
      : { delta: payloads.map(({ delta }) => delta ?? '').join('') }
  const units = deltas.reduce((sum, delta) => sum + delta.units, 0)
  return { ...first, units, data: JSON.stringify({ ...payloads[0], ...content }) }
}
