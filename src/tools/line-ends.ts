/** The line ends of a text. Pure. */

export type LineEnd = '\n' | '\r\n' | '\r'

/** How many there are of each; CRLF counts as one and in no other. */
export interface LineEndCounts {
  readonly lf: number
  readonly crlf: number
  /** Carriage returns without a line feed: line ends only where the text has no other. */
  readonly cr: number
}

/** Counts the line ends of a text. Pure, two looks at it. */
export function countLineEnds(text: string): LineEndCounts {
  let [lf, crlf, cr] = [0, 0, 0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    if (text.charCodeAt(at - 1) === 13) crlf++
    else lf++
  }
  for (let at = text.indexOf('\r'); at !== -1; at = text.indexOf('\r', at + 1)) {
    if (text.charCodeAt(at + 1) !== 10) cr++
  }
  return { lf, crlf, cr }
}

/** The one line end that all lines have, `mixed`, or null for a text of one line. */
export function lineEndOf({ lf, crlf, cr }: LineEndCounts): LineEnd | 'mixed' | null {
  if (lf > 0 && crlf > 0) return 'mixed'
  if (lf > 0) return '\n'
  if (crlf > 0) return '\r\n'
  return cr > 0 ? '\r' : null
}

/** What the model is told of line ends other than LF, else null. */
export function lineEndNote(counts: LineEndCounts): string | null {
  switch (lineEndOf(counts)) {
    case '\r\n':
      return 'line ends: CRLF (\\r\\n)'
    case '\r':
      return 'line ends: lone CR (\\r)'
    case 'mixed':
      return `mixed line ends: ${counts.lf} LF, ${counts.crlf} CRLF (shown with ⟦\\r⟧ at the end)`
    default:
      return null
  }
}

/**
 * A text in which every line ends with a line feed, with the way back to the places of the original. Carriage returns
 * that end no line stay.
 */
export class PlainText {
  readonly text: string
  readonly original: string
  readonly endsWithCr: boolean
  /** Offsets in `text` of the line feeds that stand for two characters, ascending. */
  readonly #doubled: readonly number[]

  constructor(original: string, endsWithCr = lineEndOf(countLineEnds(original)) === '\r') {
    this.original = original
    this.endsWithCr = endsWithCr
    this.text = plainLineEnds(original, endsWithCr)
    const doubled: number[] = []
    for (let at = original.indexOf('\r\n'); at !== -1; at = original.indexOf('\r\n', at + 2)) {
      doubled.push(at - doubled.length)
    }
    this.#doubled = doubled
  }

  /** The place in the original; a line end of two characters counts as one place, its beginning. */
  originalOffset(offset: number): number {
    let [low, high] = [0, this.#doubled.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#doubled[middle] ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return offset + low
  }
}

/** CRLF as LF, and a lone CR too where it ends lines. */
export function plainLineEnds(text: string, endsWithCr: boolean): string {
  const plain = text.replaceAll('\r\n', '\n')
  return endsWithCr ? plain.replaceAll('\r', '\n') : plain
}

/** The line ends of a piece in order. */
export function lineEndsIn(piece: string, endsWithCr: boolean): LineEnd[] {
  return [...piece.matchAll(endsWithCr ? /\r\n|\n|\r/g : /\r\n|\n/g)].map(([end]) => end as LineEnd)
}
