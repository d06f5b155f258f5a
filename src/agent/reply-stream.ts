import type { EventScope, MessagePart, NewDelta } from '../events/topics.ts'
import type { AssistantBlock, ModelDelta } from '../model/types.ts'

interface OpenPart {
  readonly kind: 'text' | 'thinking' | 'tool_use'
  readonly toolUseId: string
  text: string
}

/** Which model call of a turn a reply came from, counted from 1: a repeated call shows its text in parts of its own. */
export interface ReplyOrigin {
  readonly messageId: string
  readonly attempt: number
}

/** The part that shows a content block in the stream. */
export function partIdOf({ messageId, attempt }: ReplyOrigin, index: number): string {
  return attempt === 1 ? `${messageId}:${index}` : `${messageId}:${attempt}:${index}`
}

/**
 * One reply while it streams: turns the model's deltas into the stream's, with offsets, and knows what has arrived so
 * far, for the case that it is cut off.
 */
export class ReplyStream {
  readonly #origin: ReplyOrigin
  readonly #scope: EventScope
  readonly #publish: (delta: NewDelta) => void
  readonly #parts = new Map<number, OpenPart>()

  constructor(origin: ReplyOrigin, scope: EventScope, publish: (delta: NewDelta) => void) {
    this.#origin = origin
    this.#scope = scope
    this.#publish = publish
  }

  push(delta: ModelDelta): void {
    if (delta.type === 'block_start') {
      this.#parts.set(delta.index, { kind: delta.block, toolUseId: delta.toolUseId ?? '', text: '' })
      return
    }
    const part = this.#parts.get(delta.index)
    if (!part) return
    const offset = part.text.length
    part.text += delta.delta
    this.#publish(this.#toDelta(part, delta, offset))
  }

  #toDelta(part: OpenPart, delta: Exclude<ModelDelta, { type: 'block_start' }>, offset: number): NewDelta {
    const at = {
      messageId: this.#origin.messageId,
      partId: partIdOf(this.#origin, delta.index),
      offset,
      delta: delta.delta,
    }
    switch (delta.type) {
      case 'text':
        return { type: 'text.delta', scope: this.#scope, payload: at }
      case 'thinking':
        return { type: 'thinking.delta', scope: this.#scope, payload: at }
      case 'tool_input':
        return { type: 'tool.input_delta', scope: this.#scope, payload: { ...at, toolUseId: part.toolUseId } }
    }
  }

  /** The text and thinking that arrived, for a reply that never became whole. */
  partialParts(): MessagePart[] {
    return [...this.#parts.entries()].flatMap(([index, part]) =>
      part.kind === 'tool_use' || part.text === ''
        ? []
        : [{ partId: partIdOf(this.#origin, index), type: part.kind, text: part.text }],
    )
  }
}

/** The text and thinking parts of a whole reply, under the part ids that its deltas had. */
export function partsOf(origin: ReplyOrigin, blocks: readonly AssistantBlock[]): MessagePart[] {
  return blocks.flatMap((block, index): MessagePart[] => {
    if (block.type === 'text') return [{ partId: partIdOf(origin, index), type: 'text', text: block.text }]
    if (block.type === 'thinking' && block.thinking !== '') {
      return [{ partId: partIdOf(origin, index), type: 'thinking', text: block.thinking }]
    }
    return []
  })
}
