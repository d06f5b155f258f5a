/**
 * Puts a streamed reply together from its events. Keeps the raw text of every tool input itself, because the SDK parses
 * a cut one tolerantly: half of `{"command":"rm -rf build"}` would come out as a shorter command, without an error.
 */

import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages'
import { AppError } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'
import { type AssistantBlock, INVALID_INPUT, type ModelDelta, type StopReason } from './types.ts'

interface OpenBlock {
  readonly kind: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use' | 'other'
  readonly id: string
  readonly name: string
  /** A tool input that came whole with the block's start; some compatible servers do that. */
  readonly wholeInput: unknown
  text: string
  signature: string
  closed: boolean
  /** Where it will stand in the reply's content; null until that is known. */
  place: number | null
}

/** What a whole reply holds, before price and clock are added. */
interface AssembledReply {
  readonly content: readonly AssistantBlock[]
  readonly stopReason: StopReason
  readonly stopDetail: string | null
  readonly truncated?: 'text' | 'thinking' | 'tool_use'
  readonly usage: Usage
  readonly model: string
}

const ENDED_BY_ITSELF: ReadonlySet<StopReason> = new Set(['end_turn', 'stop_sequence', 'tool_use', 'pause_turn'])
const KNOWN_STOPS: ReadonlySet<string> = new Set<StopReason>([
  ...ENDED_BY_ITSELF,
  'max_tokens',
  'refusal',
  'model_context_window_exceeded',
])

/** Of English and code, roughly; only for replies whose count never came. */
const CHARS_PER_TOKEN = 4

/** The largest number of tokens of one call that is believed. */
const MAX_COUNT = 100_000_000
/** No tool takes an input of so many levels, and servers and parsers have limits of their own. */
const MAX_INPUT_DEPTH = 64
/** What of an input that is no JSON object is kept, for the model to be shown. */
const MAX_INVALID_CHARACTERS = 4_000
/** A longer reply, or one of more blocks, is none: a server that keeps no limit would stream for ever. */
const MAX_REPLY_CHARACTERS = 16 * 1024 * 1024
const MAX_BLOCKS = 10_000

/**
 * Puts the events of one stream together to one reply. Takes what servers of several makers send (wrong indexes,
 * missing ends, repeated starts) and bounds what it keeps. Throws `model_stream_broken` for a reply that is not whole,
 * `model_output_exceeded` for one without end.
 */
export class ReplyAssembler {
  /** In the order in which they began. */
  readonly #blocks: OpenBlock[] = []
  /** The newest block of each of the server's own indexes: some servers count wrongly and give several blocks one. */
  readonly #byIndex = new Map<number, OpenBlock>()
  readonly #usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }
  #id: string | undefined
  #model = ''
  #stop: string | null = null
  #stopDetail: string | null = null
  #started = false
  #stopped = false
  #placed = 0
  #streamedChars = 0
  #isCounted = false

  /**
   * Takes one event and returns what a viewer should see of it. Unknown events and deltas are passed over, and whatever comes
   * after the last event. Throws `model_stream_broken` (retried) when another reply begins within this one, and
   * `model_output_exceeded` (final) for a reply without end.
   */
  add(event: RawMessageStreamEvent): readonly ModelDelta[] {
    if (this.#stopped) return []
    switch (event.type) {
      case 'message_start':
        this.#begin(event.message)
        return []
      case 'content_block_start': {
        const block = openBlock(event.content_block)
        if (isRepeat(block, this.#byIndex.get(event.index))) return []
        if (this.#blocks.length === MAX_BLOCKS) throw endless()
        this.#blocks.push(block)
        this.#byIndex.set(event.index, block)
        return this.#show(block)
      }
      case 'content_block_delta':
        return this.#append(event.index, event.delta)
      case 'content_block_stop': {
        const block = this.#byIndex.get(event.index)
        if (block) block.closed = true
        return []
      }
      case 'message_delta':
        // A second one, which some gateways send for the usage alone, takes no reason back.
        this.#stop = event.delta.stop_reason ?? this.#stop
        this.#stopDetail = stopDetailOf(event.delta) ?? this.#stopDetail
        this.#count(event.usage)
        this.#isCounted = true
        return []
      case 'message_stop':
        this.#stopped = true
        return []
      default:
        return []
    }
  }

  /** True after `message_stop`: what follows cannot change the reply. */
  get complete(): boolean {
    return this.#stopped
  }

  /**
   * What a reply that breaks off here was charged for; null before the first event. The server counts the output only at
   * the end, so until then it is estimated from what was streamed.
   */
  get spent(): { readonly usage: Usage; readonly isEstimated: boolean; readonly model: string } | null {
    if (!this.#started) return null
    if (this.#isCounted) return { usage: { ...this.#usage }, isEstimated: false, model: this.#model }
    const streamed = Math.ceil(this.#streamedChars / CHARS_PER_TOKEN)
    const outputTokens = Math.max(this.#usage.outputTokens, streamed)
    return { usage: { ...this.#usage, outputTokens }, isEstimated: true, model: this.#model }
  }

  /**
   * The reply. Throws `model_stream_broken` (retried) when it did not end with `message_stop` or a tool input has no end.
   */
  finish(): AssembledReply {
    if (!this.#stopped) throw new AppError('model_stream_broken', "The model's reply ended before its last event.")
    const stop = this.#stop === null ? this.#unsaidStop() : knownStop(this.#stop)
    const whole = ENDED_BY_ITSELF.has(stop)
    const content = this.#content(whole)
    const truncated = whole ? undefined : this.#truncatedKind()
    return {
      content,
      stopReason: whole ? settleStop(stop, content) : stop,
      stopDetail: stop === 'unknown' ? this.#stop : this.#stopDetail,
      ...(truncated === undefined ? {} : { truncated }),
      usage: { ...this.#usage },
      model: this.#model,
    }
  }

  /** Gateways repeat a reply's first event; one that comes after content begins another reply, made of two halves. */
  #begin(message: StartedMessage): void {
    const isSame = message.id === this.#id && textOf(message.id) !== ''
    const isAnother = this.#started && this.#blocks.length > 0 && !isSame
    if (isAnother) throw new AppError('model_stream_broken', "Another reply began in the middle of the model's reply.")
    this.#started = true
    this.#id = message.id
    this.#model = textOf(message.model)
    this.#count(message.usage)
  }

  /** Why a reply ended whose server did not say it but closed all that it began: by itself. */
  #unsaidStop(): StopReason {
    return this.#blocks.length > 0 && this.#blocks.every((block) => block.closed) ? 'end_turn' : 'unknown'
  }

  #append(index: number, delta: StreamedDelta): readonly ModelDelta[] {
    const block = this.#byIndex.get(index)
    if (!block) return []
    switch (delta.type) {
      case 'text_delta':
        return this.#grow(block, textOf(delta.text))
      case 'thinking_delta':
        return this.#grow(block, textOf(delta.thinking))
      case 'input_json_delta':
        return this.#grow(block, textOf(delta.partial_json))
      case 'signature_delta':
        block.signature += textOf(delta.signature)
        return []
      default:
        return []
    }
  }

  #grow(block: OpenBlock, piece: string): readonly ModelDelta[] {
    this.#streamedChars += piece.length
    if (this.#streamedChars > MAX_REPLY_CHARACTERS) throw endless()
    block.text += piece
    return block.place === null ? this.#show(block) : piecesOf(block, block.place, piece)
  }

  /**
   * Gives a block its place and shows what it holds so far. Text of nothing but blanks gets none, because it will not
   * stand in the content, and the places of deltas and of content must be the same.
   */
  #show(block: OpenBlock): readonly ModelDelta[] {
    if (block.kind === 'other' || (block.kind === 'text' && block.text.trim() === '')) return []
    const index = this.#placed++
    block.place = index
    if (block.kind === 'redacted_thinking') return []
    const named = block.kind === 'tool_use' ? { toolUseId: block.id, toolName: block.name } : {}
    return [{ type: 'block_start', index, block: block.kind, ...named }, ...piecesOf(block, index, block.text)]
  }

  #count(usage: StreamedUsage | null | undefined): void {
    this.#usage.inputTokens = countOf(usage?.input_tokens) ?? this.#usage.inputTokens
    this.#usage.outputTokens = countOf(usage?.output_tokens) ?? this.#usage.outputTokens
    this.#usage.cacheReadTokens = countOf(usage?.cache_read_input_tokens) ?? this.#usage.cacheReadTokens
    this.#usage.cacheWriteTokens = countOf(usage?.cache_creation_input_tokens) ?? this.#usage.cacheWriteTokens
  }

  /**
   * The service refuses texts of nothing but blanks when they are sent back, and thinking that was cut. Thinking that nobody
   * signs is kept where something follows it: what follows has its place.
   */
  #content(whole: boolean): AssistantBlock[] {
    const content: AssistantBlock[] = []
    const placed = this.#blocks.filter((block) => block.place !== null)
    for (const block of placed.sort((a, b) => (a.place ?? 0) - (b.place ?? 0))) {
      if (block.kind === 'text' && block.text.trim() !== '') content.push({ type: 'text', text: block.text })
      if (block.kind === 'thinking' && (whole || block.signature !== '' || block !== placed.at(-1))) {
        content.push({ type: 'thinking', thinking: block.text, signature: block.signature })
      }
      if (block.kind === 'redacted_thinking') content.push({ type: 'redacted_thinking', data: block.text })
      if (block.kind === 'tool_use' && whole) {
        content.push({ type: 'tool_use', id: block.id, name: block.name, input: inputOf(block) })
      }
    }
    return content
  }

  #truncatedKind(): 'text' | 'thinking' | 'tool_use' | undefined {
    const kinds = this.#blocks.map((block) => block.kind)
    if (kinds.includes('tool_use')) return 'tool_use'
    const last = kinds.at(-1)
    return last === 'text' || last === 'thinking' ? last : undefined
  }
}

type StartedMessage = Extract<RawMessageStreamEvent, { type: 'message_start' }>['message']
type StartedBlock = Extract<RawMessageStreamEvent, { type: 'content_block_start' }>['content_block']
type StreamedDelta = Extract<RawMessageStreamEvent, { type: 'content_block_delta' }>['delta']

interface StreamedUsage {
  readonly input_tokens?: number | null
  readonly output_tokens?: number | null
  readonly cache_read_input_tokens?: number | null
  readonly cache_creation_input_tokens?: number | null
}

/** A count of tokens that can be stored; undefined for anything else. */
function countOf(value: number | null | undefined): number | undefined {
  const isCount = typeof value === 'number' && value >= 0 && value <= MAX_COUNT
  return isCount ? Math.round(value) : undefined
}

function endless(): AppError {
  const message = `The model's reply has no end: it is over ${MAX_REPLY_CHARACTERS} characters or ${MAX_BLOCKS} blocks long. Set KEELSON_MAX_OUTPUT_TOKENS, or a limit at its server.`
  return new AppError('model_output_exceeded', message)
}

function openBlock(start: StartedBlock): OpenBlock {
  const block: OpenBlock = {
    kind: 'other',
    id: '',
    name: '',
    wholeInput: undefined,
    text: '',
    signature: '',
    closed: false,
    place: null,
  }
  switch (start.type) {
    case 'text':
      return { ...block, kind: 'text', text: textOf(start.text) }
    case 'thinking':
      return { ...block, kind: 'thinking', text: textOf(start.thinking), signature: textOf(start.signature) }
    case 'redacted_thinking':
      return { ...block, kind: 'redacted_thinking', text: textOf(start.data) }
    case 'tool_use':
      return { ...block, kind: 'tool_use', id: textOf(start.id), name: textOf(start.name), wholeInput: start.input }
    default:
      return block
  }
}

/** Whether a block's beginning is told a second time, before anything of it came. */
function isRepeat(block: OpenBlock, before: OpenBlock | undefined): boolean {
  if (before === undefined || before.closed || before.text !== '') return false
  return block.text === '' && block.kind === before.kind && block.id === before.id
}

/** Servers that speak the protocol loosely leave fields out, or send null. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function piecesOf(block: OpenBlock, index: number, delta: string): ModelDelta[] {
  if (delta === '' || block.kind === 'other' || block.kind === 'redacted_thinking') return []
  return [{ type: block.kind === 'tool_use' ? 'tool_input' : block.kind, index, delta }]
}

/**
 * The input of a call. One that ended properly and is no JSON object is a fault of what the model wrote, not of the
 * connection: asking again would cost the same again, so the model is told by the call's result.
 */
function inputOf(block: OpenBlock): object {
  // The reply came to its last event: some servers close no blocks, and an input that is whole JSON is whole.
  if (!block.closed && !isJsonObject(parseInput(block.text))) {
    const message = `The model's reply broke off: the input of its call of "${block.name}" did not end.`
    throw new AppError('model_stream_broken', message)
  }
  const input = block.text.trim() === '' ? wholeInputOf(block) : parseInput(block.text)
  if (isJsonObject(input) && !isDeeper(input, MAX_INPUT_DEPTH)) return input
  const written = block.text.trim() === '' ? textOf(block.wholeInput) : block.text
  return { [INVALID_INPUT]: written.slice(0, MAX_INVALID_CHARACTERS) }
}

/** An input that came with its call's start; as text from servers that pass on another protocol's. */
function wholeInputOf({ wholeInput }: OpenBlock): unknown {
  return typeof wholeInput === 'string' ? parseInput(wholeInput || '{}') : (wholeInput ?? {})
}

function isJsonObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}

function parseInput(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The caller keeps the text instead.
    return undefined
  }
}

/** What gateways pass on from another protocol in place of this one's words. */
const FOREIGN_STOPS: ReadonlyMap<string, StopReason> = new Map([
  ['stop', 'end_turn'],
  ['length', 'max_tokens'],
  ['tool_calls', 'tool_use'],
  ['function_call', 'tool_use'],
  ['content_filter', 'refusal'],
])

function knownStop(stop: string | null): StopReason {
  if (stop === null) return 'unknown'
  return KNOWN_STOPS.has(stop) ? (stop as StopReason) : (FOREIGN_STOPS.get(stop) ?? 'unknown')
}

/** Some compatible servers say `end_turn` after tool calls, or `tool_use` without one; the content is what counts. */
function settleStop(stop: StopReason, content: readonly AssistantBlock[]): StopReason {
  const hasTools = content.some((block) => block.type === 'tool_use')
  if (hasTools && stop !== 'pause_turn') return 'tool_use'
  return !hasTools && stop === 'tool_use' ? 'end_turn' : stop
}

interface StreamedStop {
  readonly stop_sequence: string | null
  readonly stop_details?: { readonly category?: string | null; readonly explanation?: string | null } | null
}

function stopDetailOf(delta: StreamedStop): string | null {
  const details = [delta.stop_details?.category, delta.stop_details?.explanation].filter((part) => part != null)
  return details.length > 0 ? details.join(': ') : delta.stop_sequence
}
