/** Where an edit applies in a text. Pure: no file is touched here. */

import { type Splice, spliceText } from './keep-line-ends.ts'
import { PlainText, plainLineEnds } from './line-ends.ts'
import { readShown, withNamedCharacters } from './shown-text.ts'
import { BYTE_ORDER_MARK } from './text-form.ts'

/** An edit as the model gave it; `oldString` is not empty. */
export interface EditRequest {
  readonly oldString: string
  readonly newString: string
  readonly replaceAll: boolean
}

/** The text after an edit, or a sentence for the model that says why there is none and what to do. */
export type FoundReplacement =
  | {
      readonly ok: true
      readonly text: string
      /** The text that was put in, as it was understood. */
      readonly inserted: string
      /** Offset of the first changed place in `text` with every line end counted as one character. */
      readonly at: number
      readonly count: number
      /** Set when only a normalised form of the text matched: says what was ignored. */
      readonly approximate: string | null
    }
  | { readonly ok: false; readonly message: string }

/**
 * Replaces `oldString`, literally and only where it stands exactly once (everywhere with `replaceAll`). A line feed in it
 * stands for whatever ends the file's lines, and the text put in takes the line ends of what it replaces or of its
 * neighbours. Characters may be named by the form in which `read` shows them. When the text stands nowhere: once more by
 * whole lines without regard to trailing space and typographic quotes, and only if that place is the only one. A less
 * strict match would edit the wrong place sooner or later.
 */
export function findReplacement(text: string, request: EditRequest): FoundReplacement {
  const plain = new PlainText(text)
  const shown = {
    ...request,
    oldString: readShown(request.oldString),
    newString: readShown(request.newString),
  }
  const literal = placesOf(plain, request)
  const asShown = shown.oldString === request.oldString ? [] : placesOf(plain, shown)
  if (literal.length > 0 && asShown.length > 0) return { ok: false, message: BOTH }
  if (literal.length > 0)
    return replaceAt(plain, literal, { ...request, newString: withNamedCharacters(text, request.newString) })
  if (asShown.length > 0) return replaceAt(plain, asShown, shown)
  // A line of a file with mixed line ends, as it is shown: what follows its carriage return belongs to it.
  if (shown.oldString.endsWith('\r') && !plain.endsWithCr) {
    const whole = { ...shown, oldString: `${shown.oldString}\n`, newString: `${shown.newString}\n` }
    const places = placesOf(plain, whole)
    if (places.length > 0) return replaceAt(plain, places, whole)
  }
  return replaceLines(plain, shown)
}

const BOTH =
  'old_string has a form such as ⟦\\r⟧, and the file has both the character and that form as plain text. Give more lines around it, or the character itself; for the plain text write its bracket as ⟦\\u27e6⟧.'

function replaceAt(plain: PlainText, places: readonly number[], request: EditRequest): FoundReplacement {
  const first = places[0] ?? 0
  if (places.length > 1 && !request.replaceAll) return { ok: false, message: ambiguous(plain.text, places) }
  const { length } = plainLineEnds(request.oldString, plain.endsWithCr)
  const splices = places.map((from): Splice => {
    const isExact = originalOf(plain, from, from + length) === request.oldString
    const isVerbatim = isExact && request.newString.includes('\r\n')
    return { from, to: from + length, inserted: withoutSecondMark(plain, from, request.newString), isVerbatim }
  })
  const text = spliceText(plain, splices)
  if (!text.isWellFormed() && plain.original.isWellFormed()) return { ok: false, message: HALF }
  return { ok: true, text, inserted: request.newString, at: first, count: places.length, approximate: null }
}

const HALF =
  'it would hold half of a character (a lone surrogate), which no file can. Give whole characters in old_string and new_string.'

/** A file has one byte order mark, at its beginning; a text put right behind it that brings its own brings none. */
function withoutSecondMark(plain: PlainText, from: number, inserted: string): string {
  const isBehindMark = from === 1 && plain.text.startsWith(BYTE_ORDER_MARK)
  return isBehindMark && inserted.startsWith(BYTE_ORDER_MARK) ? inserted.slice(1) : inserted
}

/**
 * Where the wanted text stands, line ends aside. Of several places those that have the very line ends asked for count
 * alone, so that one of two lines that differ in nothing else can be named.
 */
function placesOf(plain: PlainText, { oldString, replaceAll }: EditRequest): number[] {
  const part = plainLineEnds(oldString, plain.endsWithCr)
  const places: number[] = []
  // Places that overlap count too where one is wanted: which of them is meant cannot be known.
  const step = replaceAll ? part.length : 1
  for (let at = plain.text.indexOf(part); at !== -1; at = plain.text.indexOf(part, at + step)) places.push(at)
  if (places.length < 2 || (replaceAll && !oldString.includes('\r'))) return places
  const exact = places.filter((at) => originalOf(plain, at, at + part.length) === oldString)
  return exact.length > 0 ? exact : places
}

function originalOf(plain: PlainText, from: number, to: number): string {
  return plain.original.slice(plain.originalOffset(from), plain.originalOffset(to))
}

function replaceLines(plain: PlainText, { oldString, newString }: EditRequest): FoundReplacement {
  const wanted = plainLineEnds(oldString, true).replace(/\n$/, '').split('\n').map(normaliseLine)
  const lines = plain.text.split('\n')
  const normal = lines.map(normaliseLine)
  const starts: number[] = []
  for (let i = 0; i + wanted.length <= normal.length && starts.length < 2; i++) {
    if (wanted.every((line, offset) => line === normal[i + offset])) starts.push(i)
  }
  const start = starts[0]
  if (start === undefined || wanted.every((line) => line === ''))
    return { ok: false, message: notFound(normal, wanted, oldString) }
  if (starts.length > 1) {
    return {
      ok: false,
      message:
        'old_string matches nowhere exactly and more than one place approximately. Read the file and copy the lines exactly.',
    }
  }
  const { from, to } = spanOf(lines, start, wanted.length, /[\r\n]$/.test(oldString))
  return {
    ok: true,
    text: spliceText(plain, [{ from, to, inserted: newString, isVerbatim: false }]),
    inserted: newString,
    at: from,
    count: 1,
    approximate: 'trailing spaces, line ends or typographic quotes were ignored to find the place',
  }
}

/** Offsets of `count` whole lines; their last line end belongs to it only when the wanted text had one. */
function spanOf(lines: readonly string[], start: number, count: number, withLineEnd: boolean) {
  const from = lengthOf(lines.slice(0, start))
  const next = from + lengthOf(lines.slice(start, start + count))
  const isLast = start + count === lines.length
  return { from, to: withLineEnd && !isLast ? next : next - 1 }
}

function lengthOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 1, 0)
}

function normaliseLine(line: string): string {
  return line
    .replace(/[\u2018\u2019\u201a\u2032]/g, "'")
    .replace(/[\u201c\u201d\u201e\u2033]/g, '"')
    .replace(/[\u00a0\u202f]/g, ' ')
    .trimEnd()
}

function ambiguous(text: string, places: readonly number[]): string {
  const lines = places.slice(0, 10).map((at) => lineNumberAt(text, at))
  return `old_string stands ${places.length} times in the file (lines ${lines.join(', ')}${places.length > 10 ? ', …' : ''}). Add surrounding lines until it is unique, or set replace_all.`
}

function notFound(normal: readonly string[], wanted: readonly string[], oldString: string): string {
  if (oldString.split('\n').every((line) => /^\s*\d+\t/.test(line))) {
    return 'old_string was not found: it still has the line numbers that read shows. Leave out the numbers and the tab.'
  }
  const firstWanted = wanted.find((line) => line.trim() !== '')?.trim()
  const near = firstWanted === undefined ? -1 : normal.findIndex((line) => line.trim() === firstWanted)
  const hint =
    near === -1 ? '' : ` Its first line looks like line ${near + 1}, but indentation or what follows differs.`
  return `old_string was not found in the file.${hint} Read the file again and copy the text exactly, with its indentation.`
}

/** Number of the line, from 1, that holds the character at `offset`. */
export function lineNumberAt(text: string, offset: number): number {
  let number = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) number++
  return number
}
