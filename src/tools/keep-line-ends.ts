/** Puts a new text in the place of an old one and keeps every byte and every line end that it does not change. Pure. */

import { countLineEnds, type LineEnd, lineEndOf, lineEndsIn, PlainText, plainLineEnds } from './line-ends.ts'

/** A stretch of `PlainText.text`, and what takes its place. */
export interface Splice {
  readonly from: number
  readonly to: number
  readonly inserted: string
  /** CRLF in `inserted` is meant as it is written, whatever ends the lines around it. */
  readonly isVerbatim: boolean
}

/** The original with the stretches replaced, which must be in order and apart. */
export function spliceText(plain: PlainText, splices: readonly Splice[]): string {
  const pieces: string[] = []
  let done = 0
  for (const splice of splices) {
    const { start, end, text } = replacementOf(plain, splice)
    pieces.push(plain.original.slice(done, start), text)
    done = end
  }
  pieces.push(plain.original.slice(done))
  return pieces.join('')
}

/** What is the same at both ends stays as the bytes that were there; only the middle is written anew. */
function replacementOf(plain: PlainText, splice: Splice): { start: number; end: number; text: string } {
  if (splice.isVerbatim) {
    const [start, end] = [plain.originalOffset(splice.from), plain.originalOffset(splice.to)]
    return { start, end, text: withLineEnds(splice.inserted, endsAt(plain, start, end), true) }
  }
  const old = plain.text.slice(splice.from, splice.to)
  const inserted = plainLineEnds(splice.inserted, plain.endsWithCr)
  const shorter = Math.min(old.length, inserted.length)
  let head = 0
  while (head < shorter && old.charCodeAt(head) === inserted.charCodeAt(head)) head++
  let tail = 0
  while (
    tail < shorter - head &&
    old.charCodeAt(old.length - 1 - tail) === inserted.charCodeAt(inserted.length - 1 - tail)
  )
    tail++
  const start = plain.originalOffset(splice.from + head)
  const end = plain.originalOffset(splice.to - tail)
  const middle = inserted.slice(head, inserted.length - tail)
  return { start, end, text: withLineEnds(middle, endsAt(plain, start, end), false) }
}

interface Ends {
  /** The line ends that are replaced, in order. */
  readonly replaced: readonly LineEnd[]
  /** What ends a line that was not there before. */
  readonly other: LineEnd
}

function endsAt({ original, endsWithCr }: PlainText, start: number, end: number): Ends {
  const replaced = lineEndsIn(original.slice(start, end), endsWithCr)
  const after = nextLineEnd(original, end, endsWithCr)
  const other = replaced.at(-1) ?? after ?? lastLineEnd(original, start, endsWithCr) ?? '\n'
  return { replaced, other }
}

function withLineEnds(text: string, ends: Ends, keepsCrlf: boolean): string {
  let index = 0
  return text.replace(/\r\n|\n/g, (found) => {
    const own = ends.replaced[index++] ?? ends.other
    return keepsCrlf && found === '\r\n' ? found : own
  })
}

function nextLineEnd(text: string, from: number, endsWithCr: boolean): LineEnd | undefined {
  const at = text.indexOf(endsWithCr ? '\r' : '\n', from)
  if (at === -1) return undefined
  if (endsWithCr) return '\r'
  return at > 0 && text.charCodeAt(at - 1) === 13 ? '\r\n' : '\n'
}

function lastLineEnd(text: string, before: number, endsWithCr: boolean): LineEnd | undefined {
  if (before === 0) return undefined
  const at = text.lastIndexOf(endsWithCr ? '\r' : '\n', before - 1)
  if (at === -1) return undefined
  if (endsWithCr) return '\r'
  return at > 0 && text.charCodeAt(at - 1) === 13 ? '\r\n' : '\n'
}

/**
 * A whole new content in the line ends that the file has. A content that brings carriage returns of its own is taken as it
 * is. In a file of mixed line ends the lines that stay keep theirs.
 */
export function inLineEndsOf(before: string, content: string): string {
  if (content.includes('\r')) return content
  const end = lineEndOf(countLineEnds(before))
  if (end === null || end === '\n') return content
  if (end !== 'mixed') return content.replaceAll('\n', end)
  const plain = new PlainText(before)
  return spliceText(plain, [{ from: 0, to: plain.text.length, inserted: content, isVerbatim: false }])
}
