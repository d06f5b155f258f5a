/**
 * Text of models and commands is not to be trusted with the terminal: escape sequences could move the cursor, rename the
 * window, write to the clipboard or hide what is said. Only line feeds and tabs stay.
 */

import { oneLine } from '../shared/text/one-line.ts'

/** Whole sequences, so that no `[31m` stays behind: CSI; OSC, DCS, PM, APC, SOS up to their end; other two-byte ones. */
const SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|[ -/]*[0-Z\\`-~])/g
/** What such a sequence may look like while its end has not arrived. */
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)?$/
/** Other control characters, and those that reorder or hide text. */
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g
/** An unfinished sequence longer than this is none. */
const MAX_HELD = 4_096

/** Cleans text that arrives in pieces: a sequence cut in two by a piece's end is still taken out. */
export function createCleaner(): (piece: string) => string {
  let held = ''
  return (piece) => {
    const text = held + piece
    const tail = UNFINISHED.exec(text)
    held = tail === null || tail[0].length > MAX_HELD ? '' : tail[0]
    return clean(held === '' ? text : text.slice(0, -held.length))
  }
}

/** Cleans a whole text. */
export function clean(text: string): string {
  return text.replaceAll(SEQUENCE, '').replaceAll(/\r\n?/g, '\n').replaceAll(CONTROL, '')
}

/** Cleans a whole text and puts it on one line, at most `maxCharacters` long where that is given. */
export function cleanLine(text: string, maxCharacters?: number): string {
  return oneLine(clean(text), maxCharacters)
}
