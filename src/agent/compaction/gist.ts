import type { JournalTurn } from '../../db/turn/turns.ts'
import { oneLine } from '../../shared/text/one-line.ts'

/** The newest turns are told in more words. */
const RECENT_TURNS = 10
const MAX_CALLS = 6

interface Widths {
  readonly text: number
  readonly input: number
  readonly result: number
}

const RECENT: Widths = { text: 500, input: 240, result: 240 }
const OLDER: Widths = { text: 120, input: 100, result: 60 }

/** What was done, a line for each reply and call, newest last, in at most `maxCharacters`; older turns are counted. Pure. */
export function gistOf(turns: readonly JournalTurn[], maxCharacters: number): string {
  const replied = turns.filter((turn) => (turn.reply?.length ?? 0) > 0)
  const lines: string[] = []
  let used = 0
  for (const [age, turn] of replied.toReversed().entries()) {
    const line = gistOfTurn(turn, age < RECENT_TURNS ? RECENT : OLDER)
    used += line.length + 1
    if (used > maxCharacters) break
    lines.unshift(line)
  }
  const missing = replied.length - lines.length
  return [...(missing > 0 ? [`(${missing} older turns are not listed)`] : []), ...lines].join('\n')
}

function gistOfTurn(turn: JournalTurn, widths: Widths): string {
  const said = (turn.reply ?? []).flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(' ')
  const calls = turn.toolCalls.slice(0, MAX_CALLS).map((call) => {
    const outcome = call.isError ? 'failed' : 'gave'
    return `  ${call.name} ${oneLine(call.input, widths.input)} ${outcome}: ${oneLine(call.result ?? 'nothing', widths.result)}`
  })
  const more = turn.toolCalls.length > calls.length ? [`  and ${turn.toolCalls.length - calls.length} more calls`] : []
  return [`turn ${turn.turn}: ${oneLine(said, widths.text)}`, ...calls, ...more].join('\n')
}
