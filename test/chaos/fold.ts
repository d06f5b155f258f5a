/**
 * What a reader makes of deltas, kept apart from the product's own reader: by the stream contract alone. A delta applies
 * when its offset is what one has, is dropped when lower, and means a hole when higher.
 */

interface Part {
  readonly taskId: string
  readonly turn: number
  readonly isBytes: boolean
  pieces: Buffer[]
  /** UTF-16 units of text, bytes of output. */
  length: number
  text: string
}

interface Payload {
  readonly type: string
  readonly taskId?: string
  readonly turn?: number
  readonly partId?: string
  readonly offset?: number
  readonly delta?: string
  readonly data?: string
  readonly parts?: readonly { readonly partId: string; readonly text: string }[]
  readonly output?: string
  readonly tail?: string
}

export interface FoldFigures {
  /** Parts whose streamed text was all of the stored text. */
  whole: number
  /** Parts of which only a beginning was streamed, e.g. because the worker was killed. */
  begun: number
  holes: number
}

/** What {@link Fold.apply} answers when a piece is missing. */
export const HOLE = 'hole'

export class Fold {
  readonly figures: FoldFigures = { whole: 0, begun: 0, holes: 0 }
  readonly #parts = new Map<string, Part>()

  /** Takes one event. The answer HOLE asks the reader to join anew; any other text is a violation of the contract. */
  apply(event: Payload): string | null {
    const { taskId = '', turn = 0 } = event
    switch (event.type) {
      case 'text.delta':
      case 'thinking.delta':
      case 'output':
        return this.#applyDelta(event)
      case 'message.completed':
        return firstOf((event.parts ?? []).map((part) => this.#close(taskId, part.partId, Buffer.from(part.text))))
      case 'command.finished': {
        const output = Buffer.from(event.output ?? '', 'base64')
        return event.tail === undefined ? this.#close(taskId, event.partId ?? '', output) : null
      }
      case 'turn.reset':
      case 'turn.finished':
        this.#drop((part) => part.taskId === taskId && part.turn === turn && !part.isBytes)
        return null
      case 'task.completed':
      case 'task.failed':
      case 'task.cancelled':
        this.#drop((part) => part.taskId === taskId)
        return null
      default:
        return null
    }
  }

  /** Whoever joins gets the open parts from the start. */
  clear(): void {
    this.#parts.clear()
  }

  #applyDelta({
    type,
    taskId = '',
    turn = 0,
    partId = '',
    offset = 0,
    delta = '',
    data = '',
  }: Payload): typeof HOLE | null {
    const key = `${taskId}/${partId}`
    const isBytes = type === 'output'
    const part = this.#parts.get(key) ?? { taskId, turn, isBytes, pieces: [], length: 0, text: '' }
    if (offset < part.length) return null
    if (offset > part.length) {
      this.figures.holes++
      return HOLE
    }
    const bytes = isBytes ? Buffer.from(data, 'base64') : null
    if (bytes) part.pieces.push(bytes)
    else part.text += delta
    part.length += bytes ? bytes.length : delta.length
    this.#parts.set(key, part)
    return null
  }

  #close(taskId: string, partId: string, stored: Buffer): string | null {
    const key = `${taskId}/${partId}`
    const part = this.#parts.get(key)
    if (part === undefined) return null
    this.#parts.delete(key)
    const streamed = part.isBytes ? Buffer.concat(part.pieces) : Buffer.from(part.text)
    if (streamed.equals(stored)) this.figures.whole++
    else if (stored.subarray(0, streamed.length).equals(streamed)) this.figures.begun++
    else return `part ${key}: streamed ${JSON.stringify(shown(streamed))}, stored ${JSON.stringify(shown(stored))}`
    return null
  }

  #drop(isMeant: (part: Part) => boolean): void {
    for (const [key, part] of this.#parts) if (isMeant(part)) this.#parts.delete(key)
  }
}

function firstOf(results: readonly (string | null)[]): string | null {
  return results.find((result) => result !== null) ?? null
}

function shown(bytes: Buffer): string {
  return bytes.length <= 300 ? bytes.toString() : `${bytes.toString('utf8', 0, 300)}… (${bytes.length} bytes)`
}
