/** From a policy's reply to the frames of the stream, byte for byte as the service sends them. */

import { hash, randomUUID } from 'node:crypto'
import type { ModelProfile } from '../model/profiles.ts'
import type { PromptAccount } from './cache.ts'
import type { FaultKind } from './faults.ts'
import type { PolicyBlock, PolicyReply } from './policy.ts'
import { type Prefix, scriptedTokens } from './prefix.ts'
import type { WireRequest } from './wire.ts'

/** One server-sent event; `tokens` is what pacing charges for it. */
export interface PacedFrame {
  readonly text: string
  readonly tokens: number
}

/** A whole reply before it is sent, so that the same request gives the same bytes. */
export interface ReplyPlan {
  readonly frames: readonly PacedFrame[]
  readonly stopReason: string
  readonly outputTokens: number
  /** The same reply for a client that did not ask for a stream. */
  readonly message: object
}

interface PlanInput {
  readonly request: WireRequest
  readonly profile: ModelProfile
  readonly prefix: Prefix
  readonly account: PromptAccount
  readonly reply: PolicyReply
  readonly fault: FaultKind | null
}

/** Small enough that streaming shows, large enough to stay cheap. */
const DELTA_CHARS = 24

/** Where a half tool input is cut: inside the first string value. */
const HALF_INPUT = '{"command":"ls'

/**
 * Plans a reply. Ids are derived from `metadata.user_id` and everything that was sent, so that the same request gets the
 * same ids; without a user id nothing names the conversation and they are random.
 */
export function planReply(input: PlanInput): ReplyPlan {
  const blocks = faulty(cutToLimit(thinkingAllowed(input), input), input.fault)
  const seed = input.request.metadata?.user_id === undefined ? randomUUID() : input.request.metadata.user_id
  const messageId = `msg_${idOf(seed, input.prefix.chain, 'message')}`
  const frames: PacedFrame[] = [frame('message_start', { message: startedMessage(messageId, input, 1) }), PING]
  let outputTokens = 0
  blocks.list.forEach((block, index) => {
    const toolUseId = `toolu_${idOf(seed, input.prefix.chain, String(index))}`
    const added = blockFrames(block, index, toolUseId, input, blocks.halfLast && index === blocks.list.length - 1)
    for (const part of added) outputTokens += part.tokens
    frames.push(...added)
  })
  const delta = { stop_reason: blocks.stopReason, stop_sequence: null, ...stopDetails(blocks.stopReason) }
  frames.push(frame('message_delta', { delta, usage: { output_tokens: outputTokens } }))
  frames.push(frame('message_stop', {}))
  const message = {
    ...startedMessage(messageId, input, outputTokens),
    content: wholeContent(blocks.list, seed, input),
    ...delta,
  }
  return { frames, stopReason: blocks.stopReason, outputTokens, message }
}

interface PlannedBlocks {
  readonly list: readonly PolicyBlock[]
  readonly stopReason: string
  /** The last block is cut in its middle. */
  readonly halfLast: boolean
}

function thinkingAllowed(input: PlanInput): PolicyReply {
  const thinks = input.profile.thinking === 'adaptive' && input.request.thinking?.type !== 'disabled'
  return thinks ? input.reply : { ...input.reply, blocks: input.reply.blocks.filter(({ type }) => type !== 'thinking') }
}

/** A reply that is longer than `max_tokens` ends there, as the real one does. */
function cutToLimit(reply: PolicyReply, input: PlanInput): PlannedBlocks {
  const calls = reply.blocks.some((block) => block.type === 'tool_use')
  const stopReason = reply.stopReason ?? (calls ? 'tool_use' : 'end_turn')
  let left = input.request.max_tokens
  for (const [index, block] of reply.blocks.entries()) {
    left -= scriptedTokens(bodyOf(block).length, input.profile)
    if (left < 0) return { list: reply.blocks.slice(0, index + 1), stopReason: 'max_tokens', halfLast: true }
  }
  return { list: reply.blocks, stopReason, halfLast: stopReason === 'max_tokens' }
}

function faulty(blocks: PlannedBlocks, fault: FaultKind | null): PlannedBlocks {
  switch (fault) {
    case 'half_tool':
      return { list: upToTool(blocks.list), stopReason: 'max_tokens', halfLast: true }
    case 'bad_tool_json':
      return { list: upToTool(blocks.list), stopReason: 'tool_use', halfLast: false }
    case 'half_text':
      return { list: [textOf(blocks.list)], stopReason: 'max_tokens', halfLast: true }
    case 'empty_reply':
      return { list: [], stopReason: 'end_turn', halfLast: false }
    case 'refusal':
      return { list: [{ type: 'text', text: 'I can not' }], stopReason: 'refusal', halfLast: false }
    case 'context_window':
      return { ...blocks, stopReason: 'model_context_window_exceeded', halfLast: true }
    case 'unknown_stop':
      return { ...blocks, stopReason: 'out_of_paper' }
    default:
      return blocks
  }
}

function upToTool(list: readonly PolicyBlock[]): readonly PolicyBlock[] {
  const index = list.findIndex((block) => block.type === 'tool_use')
  if (index !== -1) return list.slice(0, index + 1)
  return [...list, { type: 'tool_use', name: 'bash', input: { command: 'ls -la' } }]
}

function textOf(list: readonly PolicyBlock[]): PolicyBlock {
  return list.find((block) => block.type === 'text') ?? { type: 'text', text: 'This sentence was meant to go on.' }
}

function stopDetails(stopReason: string): object {
  if (stopReason !== 'refusal') return {}
  const explanation = 'The scripted server was asked to refuse.'
  return { stop_details: { type: 'refusal', category: 'scripted', explanation } }
}

function startedMessage(id: string, { request, account }: PlanInput, outputTokens: number): object {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: account.inputTokens,
      cache_creation_input_tokens: account.cacheWriteTokens,
      cache_read_input_tokens: account.cacheReadTokens,
      output_tokens: outputTokens,
    },
  }
}

function wholeContent(list: readonly PolicyBlock[], seed: string, { prefix, request }: PlanInput): object[] {
  return list.map((block, index) => {
    if (block.type === 'tool_use') return { ...block, id: `toolu_${idOf(seed, prefix.chain, String(index))}` }
    return block.type === 'thinking' ? { ...block, signature: signatureFor(request.model, prefix.chain) } : block
  })
}

function blockFrames(
  block: PolicyBlock,
  index: number,
  toolUseId: string,
  input: PlanInput,
  half: boolean,
): PacedFrame[] {
  const body = half ? halfOf(block) : spoilt(block, input.fault)
  const frames = [frame('content_block_start', { index, content_block: startOf(block, toolUseId) })]
  for (let at = 0; at < body.length; at += DELTA_CHARS) {
    const piece = body.slice(at, at + DELTA_CHARS)
    frames.push(
      frame(
        'content_block_delta',
        { index, delta: deltaOf(block, piece) },
        scriptedTokens(piece.length, input.profile),
      ),
    )
  }
  if (block.type === 'thinking') {
    const signature = signatureFor(input.request.model, input.prefix.chain)
    frames.push(frame('content_block_delta', { index, delta: { type: 'signature_delta', signature } }))
  }
  frames.push(frame('content_block_stop', { index }))
  return frames
}

function bodyOf(block: PolicyBlock): string {
  switch (block.type) {
    case 'text':
      return block.text
    case 'thinking':
      return block.thinking
    default:
      return JSON.stringify(block.input)
  }
}

function halfOf(block: PolicyBlock): string {
  const body = bodyOf(block)
  if (block.type === 'tool_use' && body.length < HALF_INPUT.length) return HALF_INPUT
  return body.slice(0, Math.ceil(body.length / 2))
}

function spoilt(block: PolicyBlock, fault: FaultKind | null): string {
  const body = bodyOf(block)
  return fault === 'bad_tool_json' && block.type === 'tool_use' ? `${body.slice(0, -1)}, nonsense!}` : body
}

function startOf(block: PolicyBlock, toolUseId: string): object {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: '' }
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' }
    default:
      return { type: 'tool_use', id: toolUseId, name: block.name, input: {} }
  }
}

function deltaOf(block: PolicyBlock, piece: string): object {
  switch (block.type) {
    case 'text':
      return { type: 'text_delta', text: piece }
    case 'thinking':
      return { type: 'thinking_delta', thinking: piece }
    default:
      return { type: 'input_json_delta', partial_json: piece }
  }
}

const PING: PacedFrame = frame('ping', {})

function frame(type: string, body: object, tokens = 0): PacedFrame {
  return { text: `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`, tokens }
}

/** The event with which the service ends a stream that fails after its 200. */
export function errorFrame(type: string, message: string): string {
  return `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type, message } })}\n\n`
}

/** A thinking block is bound to its model and to everything before it: its signature names both. */
function signatureFor(model: string, chain: string): string {
  return `sig-${model}-${chain}`
}

/**
 * Whether a thinking block still stands behind the prefix that it was made for. One that another model made is not
 * read, and so not checked.
 */
export function isGoodSignature(signature: string, model: string, chain: string): boolean {
  const own = signature.startsWith(`sig-${model}-`)
  return own ? signature === signatureFor(model, chain) : signature.startsWith('sig-')
}

function idOf(seed: string, chain: string, part: string): string {
  return `01${hash('sha1', `${seed}\n${chain}\n${part}`, 'hex').slice(0, 22)}`
}
