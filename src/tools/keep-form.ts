/** What `write` puts over an existing file: the new content in the old one's form. Pure. */

import { inLineEndsOf } from './keep-line-ends.ts'
import { countLineEnds, lineEndOf } from './line-ends.ts'
import { withNamedCharacters } from './shown-text.ts'
import type { TextFile } from './text-file.ts'
import { BYTE_ORDER_MARK, encodeText } from './text-form.ts'

/** A content ready to be written. */
export interface FormedContent {
  readonly text: string
  readonly data: Uint8Array
  /** Sentences for the model on what is not as it gave it, or not as the file was. */
  readonly notes: string[]
}

/**
 * The content with the file's line ends, byte order mark and encoding; `file` is null when there is none, and then it
 * stays as given. The same file and content always give the same bytes, also when the file has this form already.
 */
export function contentInFormOf(file: TextFile | null, content: string): FormedContent {
  if (file === null) return { text: content, data: encodeText(content, 'utf-8'), notes: [] }
  const notes: string[] = []
  if (!file.isExact) {
    notes.push('The file was not valid text in its old encoding (perhaps Latin-1 or Windows-1252); it is UTF-8 now.')
    return { text: content, data: encodeText(content, 'utf-8'), notes }
  }
  const named = withNamedCharacters(file.text, content)
  if (named !== content) notes.push('Forms such as ⟦\\r⟧ were written as the characters that they stand for.')
  const ended = inLineEndsOf(file.text, named)
  const text =
    file.text.startsWith(BYTE_ORDER_MARK) && !ended.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK + ended : ended
  const [before, after] = [lineEndOf(countLineEnds(file.text)), lineEndOf(countLineEnds(text))]
  if (before !== null && after !== null && before !== after)
    notes.push(`Its line ends were ${NAMES[before]} and are ${NAMES[after]} now.`)
  else if (before !== null && before !== '\n') notes.push(`Its line ends are ${NAMES[before]}, as before.`)
  if (file.encoding !== 'utf-8') notes.push(`Its encoding is ${file.encoding.toUpperCase()}, as before.`)
  return { text, data: encodeText(text, file.encoding), notes }
}

const NAMES = { '\n': 'LF', '\r\n': 'CRLF', '\r': 'lone CR', mixed: 'mixed' } as const
