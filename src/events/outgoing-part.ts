import { unfinishedUtf8 } from '../shared/text/unfinished-utf8.ts'
import { encodeUnstored } from './envelope.ts'
import type { LiveOp } from './live-script.ts'
import { encodeDelta } from './live-wire.ts'
import { type NewDelta, partKey, topicOf } from './topics.ts'

/** What a viewer sees live of one command; the closing event has head and tail. */
export const MAX_LIVE_OUTPUT_BYTES = 256 * 1024
/** What a viewer sees live of one text, thinking or tool input; the closing event has all of it. */
const MAX_LIVE_TEXT_UNITS = 256 * 1024

/**
 * One open part as its producer knows it. It keeps the whole content until the part closes, so that whatever Redis lost
 * or refused can be sent again from the length that Redis says it has.
 */
export class OutgoingPart {
  readonly partId: string
  readonly taskId: string
  readonly turn: number
  readonly lease: number
  readonly isOutput: boolean
  /** Units that Redis has, as far as is known here. */
  cursor: number
  /** Whether something was added since this was last set to false; whoever forgets quiet parts sets it. */
  hasMoved = true
  readonly #first: NewDelta
  /** Units before `#base` were another producer's (a worker that died) and are not here. */
  readonly #base: number
  #text = ''
  #chunks: Buffer[] = []
  #length: number

  constructor(first: NewDelta, lease: number) {
    this.#first = first
    this.partId = first.payload.partId
    this.taskId = first.scope.taskId ?? ''
    this.turn = first.scope.turn ?? 0
    this.lease = lease
    this.isOutput = first.type === 'output'
    this.#base = first.payload.offset
    this.#length = this.#base
    this.cursor = this.#base
  }

  get key(): string {
    return partKey(this.taskId, this.partId)
  }

  get base(): number {
    return this.#base
  }

  get length(): number {
    return this.#length
  }

  /** Takes what is new in `delta` and returns how many units that was: 0 for a repeat, a hole, or beyond the live cap. */
  append(delta: NewDelta): number {
    const { offset } = delta.payload
    const piece = delta.type === 'output' ? Buffer.from(delta.payload.data, 'base64') : delta.payload.delta
    const known = this.#length - offset
    const room = (this.isOutput ? MAX_LIVE_OUTPUT_BYTES : MAX_LIVE_TEXT_UNITS) - this.#length
    if (known < 0 || known >= piece.length || room <= 0) return 0
    const fresh = piece.slice(known, known + room)
    if (typeof fresh === 'string') this.#text += fresh
    else this.#chunks.push(fresh)
    this.#length += fresh.length
    this.hasMoved = true
    return fresh.length
  }

  /** The end of what may be sent now: never between the halves of a surrogate pair or the bytes of one character. */
  sendableEnd(): number {
    if (!this.isOutput)
      return isHighSurrogate(this.#text.charCodeAt(this.#text.length - 1)) ? this.#length - 1 : this.#length
    const last = this.#chunks.at(-1)
    return last === undefined ? this.#length : this.#length - unfinishedUtf8(last)
  }

  /** The batch step that carries the units from `from` (at least `base`) to `to`. */
  opOf(from: number, to: number): LiveOp {
    const { partId, taskId, turn, lease } = this
    const line = encodeDelta({
      partId,
      taskId,
      turn,
      lease,
      offset: from,
      units: to - from,
      type: this.#first.type,
      topic: topicOf(this.#first.type),
      data: this.#dataOf(from, to),
    })
    return { op: 'delta', partId, taskId, turn, lease, offset: from, units: to - from, isOutput: this.isOutput, line }
  }

  #dataOf(from: number, to: number): string {
    const first = this.#first
    if (first.type === 'output') {
      const data = this.#bytes()
        .subarray(from - this.#base, to - this.#base)
        .toString('base64')
      return encodeUnstored('output', first.scope, { ...first.payload, offset: from, data })
    }
    const delta = this.#text.slice(from - this.#base, to - this.#base)
    if (first.type === 'tool.input_delta') {
      return encodeUnstored(first.type, first.scope, { ...first.payload, offset: from, delta })
    }
    return encodeUnstored(first.type, first.scope, { ...first.payload, offset: from, delta })
  }

  #bytes(): Buffer {
    const whole = this.#chunks.length === 1 ? this.#chunks[0] : undefined
    if (whole !== undefined) return whole
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
