import { cutText } from '../shared/text/clean-text.ts'
import { showCharacters } from './shown-text.ts'

/** Longer lines are cut. */
export const MAX_LINE_CHARS = 2_000

/** The lines of a text; the line end at its very end opens no further line. */
export function linesOf(text: string): string[] {
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/**
 * One line as `cat -n` shows it: number, tab, text, with characters that cannot be seen in their shown form. Longer ones
 * than 2,000 characters are cut and say so; `length` is that of the whole line when `line` is only its beginning.
 */
export function numberedLine(line: string, number: number, length = line.length): string {
  const cut = cutText(line, MAX_LINE_CHARS)
  const rest = length - cut.length
  const shown = showCharacters(cut)
  return `${String(number).padStart(6)}\t${shown}${rest === 0 ? '' : ` [… ${rest} more characters in this line]`}`
}
