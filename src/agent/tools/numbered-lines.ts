import { cleanText, cutText } from './clean-text.ts'

const MAX_LINE_CHARS = 2_000

/** The lines of a text; the line end at its very end opens no further line. */
export function linesOf(text: string): string[] {
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** One line as `cat -n` shows it: number, tab, text. Longer ones than 2,000 characters are cut and say so. */
export function numberedLine(line: string, number: number): string {
  const text = cleanText(line)
  const shown = cutText(text, MAX_LINE_CHARS)
  const rest = text.length - shown.length
  return `${String(number).padStart(6)}\t${shown}${rest === 0 ? '' : ` [… ${rest} more characters in this line]`}`
}
