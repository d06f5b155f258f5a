/**
 * Plays a list that stands in the user's message, for tests and benchmarks: a fenced block or a line that begins with
 * `script:`, then JSON `{"turns":[…],"reviews":[…]}`. Turns are counted by the assistant messages since that message.
 * `models` holds lists that stand in the place of these for one model each. `{{turn}}` and `{{n}}` in strings stand for the number of the turn and of the repetition, both from 1.
 */

import { z } from 'zod'
import {
  call,
  type Policy,
  type PolicyBlock,
  type PolicyReply,
  type SeenText,
  say,
  type TurnView,
  turnsSince,
} from '../policy.ts'

const ToolSchema = z.strictObject({ name: z.string(), input: z.record(z.string(), z.unknown()) })

const TurnSchema = z.strictObject({
  text: z.string().optional(),
  thinking: z.string().optional(),
  tools: z.array(ToolSchema).optional(),
  stopReason: z.enum(['end_turn', 'tool_use', 'max_tokens', 'refusal', 'model_context_window_exceeded']).optional(),
  /** Play this turn so many times. */
  repeat: z.int().min(1).max(10_000).optional(),
  /** Wait before the first byte, in milliseconds. */
  delayMs: z.number().min(0).max(600_000).optional(),
})

const ReviewSchema = z.looseObject({
  /** Left out: the reviewer says `text` and submits nothing. */
  verdict: z.string().optional(),
  text: z.string().optional(),
  /** Called in a turn of their own before the verdict. */
  tools: z.array(ToolSchema).optional(),
  delayMs: z.number().min(0).max(600_000).optional(),
})

const ListScriptSchema = z.strictObject({
  turns: z.array(TurnSchema).max(10_000),
  /** The answer to review round n is the nth, or the last; without any the reviewer approves. */
  reviews: z.array(ReviewSchema).optional(),
  /** For the model of this name. */
  models: z
    .record(
      z.string(),
      z.strictObject({ turns: z.array(TurnSchema).max(10_000), reviews: z.array(ReviewSchema).optional() }),
    )
    .optional(),
})

type ListScript = z.infer<typeof ListScriptSchema>

/** Plays the list of the latest message that holds one; says so when none does or it cannot be read. */
export const listPolicy: Policy = (view) => {
  const found = findScript(view.texts)
  if (found === null) return say('No script was given.')
  if (typeof found === 'string') return say(`The script cannot be read: ${found}`)
  const script = found.script.models?.[view.request.model] ?? found.script
  return view.lane === 'reviewer'
    ? playReview(script, view)
    : playTurn(script, found.replaced + turnsSince(view, found.at))
}

/** Whether one of the texts holds a script, readable or not. */
export function hasScript(texts: readonly SeenText[]): boolean {
  return findScript(texts) !== null
}

function playTurn(script: ListScript, played: number): PolicyReply {
  let before = 0
  for (const turn of script.turns) {
    const times = turn.repeat ?? 1
    if (played < before + times) return replyOf(turn, { turn: played + 1, n: played - before + 1 })
    before += times
  }
  return say('The script is played.')
}

interface Counters {
  readonly turn: number
  readonly n: number
}

function replyOf(turn: ListScript['turns'][number], counters: Counters): PolicyReply {
  const blocks: PolicyBlock[] = []
  if (turn.thinking !== undefined) blocks.push({ type: 'thinking', thinking: filled(turn.thinking, counters) })
  if (turn.text !== undefined) blocks.push({ type: 'text', text: filled(turn.text, counters) })
  for (const tool of turn.tools ?? []) blocks.push(call(tool.name, filledInput(tool.input, counters)))
  return {
    blocks,
    ...(turn.stopReason === undefined ? {} : { stopReason: turn.stopReason }),
    ...(turn.delayMs === undefined ? {} : { delayMs: turn.delayMs }),
  }
}

function playReview(script: ListScript, view: TurnView): PolicyReply {
  const review = script.reviews?.[view.round - 1] ?? script.reviews?.at(-1)
  const submitted = view.calls.findLast((seen) => seen.name === 'submit_review')
  if (submitted && !submitted.isError) return say('The review is submitted.')
  if (!review) return submit({ verdict: 'APPROVED', summary: 'The script has no review.', findings: [] })
  const { tools = [], text, delayMs, verdict, ...rest } = review
  const delay = delayMs === undefined ? {} : { delayMs }
  if (tools.length > 0 && view.calls.length === 0) {
    return { blocks: tools.map((tool) => call(tool.name, tool.input)), ...delay }
  }
  if (verdict === undefined) return { ...say(text ?? 'I have no verdict.'), ...delay }
  return { ...submit({ verdict, summary: text ?? `Scripted verdict: ${verdict}`, findings: [], ...rest }), ...delay }
}

function submit(input: Readonly<Record<string, unknown>>): PolicyReply {
  return { blocks: [call('submit_review', input)] }
}

function filled(text: string, { turn, n }: Counters): string {
  return text.replaceAll('{{turn}}', String(turn)).replaceAll('{{n}}', String(n))
}

function filledInput(input: Readonly<Record<string, unknown>>, counters: Counters): Readonly<Record<string, unknown>> {
  const entries = Object.entries(input).map(([key, value]) => [
    key,
    typeof value === 'string' ? filled(value, counters) : value,
  ])
  return Object.fromEntries(entries)
}

interface Found {
  readonly script: ListScript
  readonly at: number
  /** Turns of the task that a compaction of its history took away. */
  readonly replaced: number
}

const REPLACED = /the harness replaced (\d+) earlier turns? of this task/

/** The latest script; a string says why the one that is there cannot be read. */
function findScript(texts: readonly SeenText[]): Found | string | null {
  for (const seen of texts.toReversed()) {
    const json = jsonIn(seen.raw)
    if (json === null) continue
    try {
      const replaced = Number(REPLACED.exec(seen.raw)?.[1] ?? 0)
      return { script: ListScriptSchema.parse(JSON.parse(json)), at: seen.messageIndex, replaced }
    } catch (error) {
      return error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    }
  }
  return null
}

const START = /(?:script:|```(?:json|script)?)\s*(?=\{)/

function jsonIn(text: string): string | null {
  const start = START.exec(text)
  return start ? balanced(text, start.index + start[0].length) : null
}

/** From an opening brace to the one that closes it, whatever stands in strings between them; null without one. */
function balanced(text: string, start: number): string | null {
  let depth = 0
  let inString = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return text.slice(start, at + 1)
  }
  return null
}
