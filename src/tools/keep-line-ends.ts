/** Puts a new text in the place of an old one and keeps every byte and every line end that it does not change. Pure. */

import { alignLines } from './align-lines.ts'
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
  const same = commonEnds(old, inserted)
  const [start, end] = [plain.originalOffset(splice.from + same.head), plain.originalOffset(splice.to - same.tail)]
  const ends = endsAt(plain, start, end)
  if (new Set([...ends.replaced, ends.after]).size > 1) return keepLines(plain, splice, { old, inserted, same })
  return { start, end, text: withLineEnds(inserted.slice(same.head, inserted.length - same.tail), ends, false) }
}

interface CommonEnds {
  readonly head: number
  readonly tail: number
}

function commonEnds(old: string, inserted: string): CommonEnds {
  const shorter = Math.min(old.length, inserted.length)
  let head = 0
  while (head < shorter && old.charCodeAt(head) === inserted.charCodeAt(head)) head++
  let tail = 0
  while (
    tail < shorter - head &&
    old.charCodeAt(old.length - 1 - tail) === inserted.charCodeAt(inserted.length - 1 - tail)
  )
    tail++
  return { head, tail }
}

interface Texts {
  readonly old: string
  readonly inserted: string
  readonly same: CommonEnds
}

/** Where lines of several ends are replaced, each line that stays keeps its own, wherever it stands among the new ones. */
function keepLines(plain: PlainText, splice: Splice, texts: Texts): { start: number; end: number; text: string } {
  const { old, inserted } = texts
  // Whole lines: a line is known by all that it says.
  const head = old.slice(0, texts.same.head).lastIndexOf('\n') + 1
  const lineEnd = old.indexOf('\n', old.length - texts.same.tail)
  const tail = lineEnd === -1 ? 0 : old.length - lineEnd - 1
  const [start, end] = [plain.originalOffset(splice.from + head), plain.originalOffset(splice.to - tail)]
  const ends = endsAt(plain, start, end)
  const middle = inserted.slice(head, inserted.length - tail)
  const now = middle.split('\n')
  const aligned = alignLines(old.slice(head, old.length - tail).split('\n'), now)
  if (aligned === null) return { start, end, text: withLineEnds(middle, ends, false) }
  const known = [...ends.replaced, ends.after]
  const ofNext = [...aligned, known.length]
  for (let at = aligned.length - 1; at >= 0; at--) ofNext[at] ??= ofNext[at + 1] ?? known.length
  // A line that is none of the old ones takes the end of the one that it replaces; where it replaces none, that of the next.
  let replaced = 0
  const text = now.slice(0, -1).map((line, at) => {
    const following = ofNext[at] ?? known.length
    const own = Math.min(aligned[at] ?? replaced, following, known.length - 1)
    if (aligned[at] !== null || own < following) replaced = own + 1
    return `${line}${known[own] ?? ends.other}`
  })
  return { start, end, text: text.join('') + (now.at(-1) ?? '') }
}

interface Ends {
  /** The line ends that are replaced, in order. */
  readonly replaced: readonly LineEnd[]
  /** The next one behind them, or the last one where there is none. */
  readonly after: LineEnd
  /** What ends a line that was not there before. */
  readonly other: LineEnd
}

function endsAt({ original, endsWithCr }: PlainText, start: number, end: number): Ends {
  const replaced = lineEndsIn(original.slice(start, end), endsWithCr)
  const after = nextLineEnd(original, end, endsWithCr)
  const last = replaced.at(-1)
  const other = last ?? after ?? lastLineEnd(original, start, endsWithCr) ?? '\n'
  return { replaced, after: after ?? other, other }
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
