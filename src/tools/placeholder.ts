/** Guards against a file that loses code because the model wrote a line that stands for it. Pure. */

import { linesOf } from './numbered-lines.ts'

const COMMENT = String.raw`(?:\/\/|#|--|;|%|\/\*|<!--|\*|\{\/\*)`
const STANDS_FOR = String.raw`(?:the )?(?:rest|remainder|remaining|existing|other|previous|unchanged|same)\b[^.…]*`
const END = String.raw`(?:\.{3}|…)?\s*[\])}]?\s*(?:\*\/\}?|-->)?\s*$`
const MARKERS = [
  // "// ... existing code ...", "# … rest of the file"
  new RegExp(String.raw`^\s*${COMMENT}\s*[[({]?(?:\.{3}|…)\s*[[({]?${STANDS_FOR}${END}`, 'i'),
  // The same without a comment: a spread (`...rest`) has no space behind its dots and no words behind its name.
  new RegExp(String.raw`^\s*[[({]?(?:\.{3}|…)\s+[[({]?${STANDS_FOR}${END}`, 'i'),
  // "// rest of the code unchanged", "# remaining code here ..."
  new RegExp(
    String.raw`^\s*${COMMENT}\s*(?:the )?(?:rest|remainder|remaining) (?:of )?(?:the |your )?(?:code|file|function|class|method|implementation|content)\b[^.…]*${END}`,
    'i',
  ),
]
const NAMES_CODE = /\b(?:existing|unchanged|code|file|function|class|methods?|implementation|same)\b/i
const MAX_MARKER_CHARS = 200

export interface Placeholder {
  /** From 1, in the new text. */
  readonly line: number
  readonly text: string
  /** How many lines of the old text are gone, when so many are that the marker seems to stand for them; else null. */
  readonly lost: number | null
}

/**
 * The first line of `after` that reads like a marker for omitted code and was not in `before`, or null. Only what the
 * change takes away tells whether it is one: `lost` is a number when the old text shrinks by at least two lines that are
 * nowhere in the new one, when most of a longer text is gone, or when nothing but markers takes its place.
 */
export function findPlaceholder(before: string, after: string): Placeholder | null {
  const old = linesOf(before).filter(isFilled)
  const now = linesOf(after)
  const known = new Set(old)
  const index = now.findIndex((line) => !known.has(line) && isMarker(line))
  if (index === -1) return null
  const text = now[index]?.trim() ?? ''
  const filled = now.filter(isFilled)
  const kept = new Set(filled)
  const lost = old.filter((line) => !kept.has(line)).length
  const shrinks = lost >= 2 && filled.length < old.length
  const losesMost = lost >= 10 && lost * 2 >= old.length && NAMES_CODE.test(text)
  const isBare = lost >= 1 && filled.every(isMarker)
  return { line: index + 1, text, lost: shrinks || losesMost || isBare ? lost : null }
}

function isMarker(line: string): boolean {
  return line.length < MAX_MARKER_CHARS && MARKERS.some((pattern) => pattern.test(line))
}

function isFilled(line: string): boolean {
  return line.trim() !== ''
}

/** Why nothing was written, and how to insist. */
export function placeholderRefusal({ line, text, lost }: Placeholder): string {
  return `Line ${line} of the new text reads like a placeholder for omitted code ("${text}"), and ${lost} lines of the old text would be lost. Nothing was written: give the code in full, or, if the text is complete as it is, repeat the call with confirm_complete: true.`
}

/** What is said of a marker that takes nothing away, so that the model can look at it again. */
export function placeholderNote({ line, text }: Placeholder): string {
  return `Line ${line} ("${text}") was written as it is; if it stands for omitted code, give that code.`
}
