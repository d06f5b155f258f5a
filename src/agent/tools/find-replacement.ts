/** Where an edit applies in a text. Pure: no file is touched here. */

export interface EditRequest {
  readonly oldString: string
  readonly newString: string
  readonly replaceAll: boolean
}

export type FoundReplacement =
  | {
      readonly ok: true
      readonly text: string
      /** Offset of the first changed place in `text`. */
      readonly at: number
      readonly count: number
      /** Set when only a normalised form of the text matched: says what was ignored. */
      readonly approximate: string | null
    }
  | { readonly ok: false; readonly message: string }

/**
 * Replaces `oldString`, literally and only where it stands exactly once (everywhere with `replaceAll`). When it stands
 * nowhere: once more with the file's line ends, then by whole lines without regard to trailing space and typographic
 * quotes, and only if that place is the only one. A less strict match would edit the wrong place sooner or later.
 */
export function findReplacement(text: string, request: EditRequest): FoundReplacement {
  const exact = replaceExact(text, request, null)
  if (exact !== null) return exact
  if (text.includes('\r\n')) {
    const adapted = { ...request, oldString: toCrlf(request.oldString), newString: toCrlf(request.newString) }
    const found = replaceExact(text, adapted, null)
    if (found !== null) return found
  }
  return replaceLines(text, request)
}

function replaceExact(text: string, request: EditRequest, approximate: string | null): FoundReplacement | null {
  const { oldString, newString, replaceAll } = request
  const places = placesOf(text, oldString)
  const first = places[0]
  if (first === undefined) return null
  if (places.length > 1 && !replaceAll) return { ok: false, message: ambiguous(text, places) }
  const replaced = text.split(oldString).join(newString)
  return { ok: true, text: replaced, at: first, count: places.length, approximate }
}

function placesOf(text: string, part: string): number[] {
  const places: number[] = []
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) places.push(at)
  return places
}

function replaceLines(text: string, { oldString, newString }: EditRequest): FoundReplacement {
  const wanted = oldString
    .replace(/\r?\n$/, '')
    .split('\n')
    .map(normaliseLine)
  const lines = text.split('\n')
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
  const inserted = text.includes('\r\n') ? toCrlf(newString) : newString
  const { from, end } = spanOf(lines, start, wanted.length, oldString.endsWith('\n'))
  return {
    ok: true,
    text: text.slice(0, from) + inserted + text.slice(end),
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
  if (withLineEnd) return { from, end: isLast ? next - 1 : next }
  return { from, end: next - (lines[start + count - 1]?.endsWith('\r') === true ? 2 : 1) }
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

function toCrlf(text: string): string {
  return text.replace(/\r?\n/g, '\r\n')
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
