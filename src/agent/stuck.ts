import { createHash } from 'node:crypto'
import type { JournalTurn } from '../db/turn/turns.ts'

const NUDGE_AFTER = 3
const STOP_AFTER = 5

/**
 * What the model is told after the third equal turn in a row. Begins with "Notice:", as all words of the harness do.
 */
export const STUCK_NOTE =
  'Notice: you have made the same tool call with the same result several times. If the request is done, change nothing more and end now with two to five plain sentences on what you did. Otherwise do something different.'

/**
 * Whether the newest turns repeat one another: the same calls, the same inputs, the same results but for times in them. Three in a row earn a
 * note, five end the work. Pure.
 */
export function judgeProgress(turns: readonly JournalTurn[]): 'fine' | 'nudge' | 'stuck' {
  const newest = turns.at(-1)
  if (!newest || newest.toolCalls.length === 0) return 'fine'
  const signature = signatureOf(newest)
  let repeats = 0
  for (let i = turns.length - 1; i >= 0 && repeats < STOP_AFTER; i--) {
    const turn = turns[i]
    if (!turn || signatureOf(turn) !== signature) break
    repeats += 1
  }
  if (repeats >= STOP_AFTER) return 'stuck'
  return repeats === NUDGE_AFTER ? 'nudge' : 'fine'
}

/** What differs between two runs of the same command, as runners and shells write it; the order counts. */
const VARIES: readonly RegExp[] = [
  /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?/g,
  // Times of day, and durations written like them.
  /\b\d{1,2}(:\d\d){1,2}([.,]\d+)?\b/g,
  /\bduration_ms:? *[\d.]+/g,
  /\b(\d+ ?(h|m|min) ?)?\d+(\.\d+)? ?(ns|ms|us|µs|μs|s|secs?|seconds?|minutes?)\b/g,
  // What runners count a second, and by which number they shuffle.
  /\b[\d.,]+ (?:runs|tests|assertions|examples|specs|files)\/s(?:ec(?:ond)?)?\b/g,
  /\b(?:--)?seed(?: is)?[ :=]+\d+/gi,
  // Names of directories that are made for one run, process ids, addresses of objects.
  /\/tmp\/[\w.-]+/g,
  /\(node:\d+\)|\bpid[ :=]+\d+/gi,
  /\b0x[0-9a-f]{6,}\b/gi,
]

/** A result without what {@link VARIES}. Pure. */
function timeless(result: string): string {
  return VARIES.reduce((text, pattern) => text.replaceAll(pattern, '#'), result)
}

function signatureOf(turn: JournalTurn): string {
  const hash = createHash('sha256')
  for (const call of turn.toolCalls) hash.update(JSON.stringify([call.name, call.input, timeless(call.result ?? '')]))
  return hash.digest('hex')
}
