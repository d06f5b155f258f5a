/** Guards against a file that loses code because the model wrote a line that stands for it. Pure. */

import { findLoneComment } from './lone-comment.ts'
import { linesOf } from './numbered-lines.ts'
import { type Marker, readMarker } from './omission-marker.ts'
import { showName } from './shown-name.ts'

/** A line that seems to stand for code that was not written. */
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
 * nowhere in the new one, when most of a longer text is gone, or when nothing but markers takes its place. A line that may as
 * well be an ordinary comment (`// ...`, `# unchanged`) counts only where half of the old text or more is gone; so does a comment
 * of any words that takes the place of a block by itself. `extent` says whether the texts are a whole file or a piece of one.
 */
export function findPlaceholder(before: string, after: string, extent: 'file' | 'piece'): Placeholder | null {
  const old = linesOf(before.replaceAll(/\r\n?/g, '\n')).filter(isFilled)
  const now = linesOf(after.replaceAll(/\r\n?/g, '\n'))
  const known = new Set(old)
  const filled = now.filter(isFilled)
  const kept = new Set(filled)
  const lost = old.filter((line) => !kept.has(line)).length
  const losesHalf = lost >= 5 && lost * 2 >= old.length && filled.length * 2 <= old.length
  const shrinks = lost >= 2 && filled.length < old.length
  const losesMost = lost >= 10 && lost * 2 >= old.length
  const markers = now.map((line) => (isFilled(line) ? readMarker(line) : null))
  const isBare = lost >= 1 && markers.filter((marker) => marker?.isSure === true).length === filled.length
  const isLoss = (marker: Marker) => (marker.isSure ? shrinks || isBare || (losesMost && marker.namesCode) : losesHalf)
  const found = (wanted: (marker: Marker) => boolean, told: number | null): Placeholder | null => {
    const index = markers.findIndex((marker, at) => marker !== null && !known.has(now[at] ?? '') && wanted(marker))
    return index === -1 ? null : { line: index + 1, text: now[index]?.trim() ?? '', lost: told }
  }
  const alone = losesHalf ? findLoneComment(old, filled, extent) : null
  const byPlace = alone === null ? undefined : filled[alone]
  return (
    found(isLoss, lost) ??
    (byPlace === undefined || known.has(byPlace)
      ? null
      : { line: now.indexOf(byPlace) + 1, text: byPlace.trim(), lost }) ??
    found((marker) => marker.isSure, null)
  )
}

function isFilled(line: string): boolean {
  return line.trim() !== ''
}

/** Why nothing was written, and how to insist. */
export function placeholderRefusal(path: string, { line, text, lost }: Placeholder): string {
  return `${showName(path)} was not changed: line ${line} of the new text reads like a placeholder for omitted code ("${text}"), and ${lost} lines of the old text would be lost. Give the code in full, or, if the text is complete as it is, repeat the call with confirm_complete: true.`
}

/** What is said of a marker that takes nothing away, so that the model can look at it again. */
export function placeholderNote({ line, text }: Placeholder): string {
  return `Line ${line} ("${text}") was written as it is; if it stands for omitted code, give that code.`
}
