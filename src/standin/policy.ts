/**
 * What a scripted model decides from. A policy is a pure function from the request, already read into a `TurnView`, to
 * the next reply; it keeps nothing, so that a repeated request gets the same reply.
 */

import { blocksOf, type WireBlock, type WireRequest } from './wire.ts'

/** One block of a scripted reply. */
export type PolicyBlock =
  | { readonly type: 'text'; readonly text: string }
  /** Sent only to models that think. */
  | { readonly type: 'thinking'; readonly thinking: string }
  | { readonly type: 'tool_use'; readonly name: string; readonly input: Readonly<Record<string, unknown>> }

type PolicyStop = 'end_turn' | 'tool_use' | 'max_tokens' | 'refusal' | 'model_context_window_exceeded'

/** A scripted reply before it is cut into events. */
export interface PolicyReply {
  readonly blocks: readonly PolicyBlock[]
  /** Left out: `tool_use` when there is a tool call, else `end_turn`. */
  readonly stopReason?: PolicyStop
  /** Extra wait before the first byte, in milliseconds. */
  readonly delayMs?: number
}

/** Decides the next reply. Pure: the same view gives the same reply. */
export type Policy = (view: TurnView) => PolicyReply

/** One tool call of the history with what came back. */
export interface SeenCall {
  readonly id: string
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
  /** Index of the assistant message that made it. */
  readonly messageIndex: number
  readonly result: string
  readonly isError: boolean
}

/** Words of the user, or of the harness in the user's role; tool results are not among them. */
export interface SeenText {
  /** Without what stands in tags, which is context and memory. */
  readonly text: string
  readonly raw: string
  readonly messageIndex: number
  /** True when it stands after the results of calls that were not interrupted: the work at hand is still going on. */
  readonly steering: boolean
}

/** A request as a policy reads it. */
export interface TurnView {
  readonly request: WireRequest
  /** `reviewer` when the request offers the tool `submit_review`. */
  readonly lane: 'coder' | 'reviewer'
  /** Round of the review, from "Review round N"; 1 when the text has none. */
  readonly round: number
  /** Every text in the user's role, oldest first; notices of the harness left out. */
  readonly texts: readonly SeenText[]
  readonly calls: readonly SeenCall[]
}

/** Reads a request into a view. */
export function viewOf(request: WireRequest): TurnView {
  const results = resultsOf(request)
  const texts: SeenText[] = []
  const calls: SeenCall[] = []
  for (const [messageIndex, message] of request.messages.entries()) {
    const blocks = blocksOf(message.content)
    if (message.role === 'user') texts.push(...textsOf(blocks, messageIndex))
    if (message.role === 'assistant') calls.push(...callsOf(blocks, messageIndex, results))
  }
  const lane = request.tools?.some((tool) => tool.name === 'submit_review') ? 'reviewer' : 'coder'
  const round = Number(/Review round (\d+)/.exec(texts.map((seen) => seen.raw).join('\n'))?.[1] ?? 1)
  return { request, lane, round, texts, calls }
}

/** Assistant messages after the given message: how many turns a request has had. */
export function turnsSince(view: TurnView, messageIndex: number): number {
  const later = view.request.messages.slice(messageIndex + 1)
  return later.filter((message) => message.role === 'assistant').length
}

/** Calls made after the given message. */
export function callsAfter(view: TurnView, messageIndex: number): readonly SeenCall[] {
  return view.calls.filter((call) => call.messageIndex > messageIndex)
}

/** A reply of words alone. */
export function say(text: string): PolicyReply {
  return { blocks: [{ type: 'text', text }] }
}

/** A call, for {@link act} or a reply of one's own. */
export function call(name: string, input: Readonly<Record<string, unknown>>): PolicyBlock {
  return { type: 'tool_use', name, input }
}

/** A reply that says something and calls tools. */
export function act(text: string, ...calls: readonly PolicyBlock[]): PolicyReply {
  return { blocks: [{ type: 'text', text }, ...calls] }
}

function resultsOf(request: WireRequest): ReadonlyMap<string, WireBlock> {
  const results = new Map<string, WireBlock>()
  for (const message of request.messages) {
    if (message.role !== 'user') continue
    for (const block of blocksOf(message.content)) {
      if (block.type === 'tool_result' && block.tool_use_id !== undefined) results.set(block.tool_use_id, block)
    }
  }
  return results
}

/** What the harness says to the model on its own account: notices and nudges, not requests. */
const NOTICE = /^\s*(Notice:|Your (last )?reply (was cut off|had no text)|You have made the same tool call)/
/** After tool results a text in tags or brackets is the harness's as well. */
const ASIDE = /^\s*[<[]/
/** Context and memory that stand in the same text as the request. */
const TAGGED = /<([a-z][\w-]*)\b[^>]*>[\s\S]*?<\/\1>/g

function textsOf(blocks: readonly WireBlock[], messageIndex: number): SeenText[] {
  const results = blocks.filter((block) => block.type === 'tool_result')
  const steering = results.length > 0 && !results.some(isInterrupted)
  const texts: SeenText[] = []
  for (const block of blocks) {
    if (block.type !== 'text' || block.text === undefined) continue
    const text = block.text.replace(TAGGED, '').trim()
    if (NOTICE.test(block.text) || (steering && ASIDE.test(block.text))) continue
    texts.push({ text, raw: block.text, messageIndex, steering })
  }
  return texts
}

/** A call that a cancelled task left behind is answered by the harness itself. */
function isInterrupted(result: WireBlock): boolean {
  return result.is_error === true && /interrupted|cancel/i.test(resultText(result))
}

function resultText(result: WireBlock | undefined): string {
  return blocksOf(result?.content ?? '')
    .map((part) => part.text ?? '')
    .join('')
}

function callsOf(
  blocks: readonly WireBlock[],
  messageIndex: number,
  results: ReadonlyMap<string, WireBlock>,
): SeenCall[] {
  const calls: SeenCall[] = []
  for (const { type, id, name, input } of blocks) {
    if (type !== 'tool_use' || id === undefined || name === undefined) continue
    const result = results.get(id)
    calls.push({
      id,
      name,
      input: typeof input === 'object' && input !== null ? (input as Readonly<Record<string, unknown>>) : {},
      messageIndex,
      result: resultText(result),
      isError: result?.is_error ?? false,
    })
  }
  return calls
}
