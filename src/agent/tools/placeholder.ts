import { linesOf } from './numbered-lines.ts'

const COMMENT = String.raw`(?:\/\/|#|--|;|%|\/\*|<!--|\*|\{\/\*)`
const OMITTED = String.raw`(?:(?:the )?(?:rest|remainder|remaining|existing|other|previous|unchanged|same)\b[^.…]*)`
const PLACEHOLDERS = [
  // "... existing code ...", "// … rest of the file"
  new RegExp(
    String.raw`^\s*${COMMENT}?\s*[[({]?(?:\.{3}|…)\s*[[({]?${OMITTED}(?:\.{3}|…)?\s*[\])}]?\s*(?:\*\/\}?|-->)?\s*$`,
    'i',
  ),
  // "// rest of the code unchanged", "# remaining code here ..."
  new RegExp(
    String.raw`^\s*${COMMENT}\s*(?:the )?(?:rest|remainder|remaining) (?:of )?(?:the |your )?(?:code|file|function|class|method|implementation|content)\b[^.…]*(?:\.{3}|…)?\s*(?:\*\/\}?|-->)?\s*$`,
    'i',
  ),
]

/**
 * A sentence for the model when `after` has a line that stands for omitted code and was not in `before`, else null.
 * Such a line, written literally, deletes what it stands for.
 */
export function findPlaceholder(before: string, after: string): string | null {
  const known = new Set(linesOf(before))
  const index = linesOf(after).findIndex(
    (line) => line.length < 200 && !known.has(line) && PLACEHOLDERS.some((pattern) => pattern.test(line)),
  )
  if (index === -1) return null
  const line = linesOf(after)[index]?.trim() ?? ''
  return `Line ${index + 1} of the new text is a placeholder for omitted code ("${line}"). Nothing was written: give the code in full.`
}
