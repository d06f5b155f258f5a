/** Tells by its place a comment that stands for lines that are gone, whatever its words say. Pure. */

import { alignLines } from './align-lines.ts'

const MIN_LOST_LINES = 5
const MAX_CHARS = 80
/** Of a script that says as much with half the signs. */
const MAX_WIDE_CHARS = 40
const WIDE = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/u
/** What begins a comment beyond doubt, with a space or bracket behind the signs that mean other things too. */
const COMMENT = /^(?:<!--|\{\/\*|\/\*+|\/\/+|--|;;+|(?:#|;)(?=[\s[(<]))\s*(?<words>.*?)\s*(?:\*\/\}|\*\/|-->)?$/u
/** A letter that no English word has. */
const FOREIGN = /(?!\p{ASCII})\p{L}/u
/** Signs of code and names in a comment. */
const NAMES_THINGS = /[/\\`@{}=;_]|[a-z][A-Z]|\w[.(]\w|!$|:/
/** Words of a comment that says where the code went, or what a reader or a tool is to know. */
const EXPLAINS =
  /\b(?:moved?|remov\w*|delet\w*|replac\w*|deprecat\w*|disabl\w*|renam\w*|split|extract\w*|merg\w*|inlin\w*|drop\w*|gone|now|no longer|no-?op|not|nothing|intention\w*|blank|stub\w*|todo|fixme|generated|licen[sc]e|copyright|instead|empty|because|since|until|when|if|use[ds]?|by|for|from|to|at|with|are|was|were|be|has|have|will|can|must|should|does)\b/i

/**
 * The index in `now` of the first comment line that, alone or behind lines that are the old ones with a few characters changed,
 * takes the place of at least five lines of `old`, or null. A comment without letters beyond ASCII counts only next to lines
 * that stay, and where it explains nothing, and not in a `piece` of a file, which nobody gives in full to leave most of it out.
 * Blank lines are not passed in. Null too when the texts are too long to be compared.
 */
export function findLoneComment(
  old: readonly string[],
  now: readonly string[],
  extent: 'file' | 'piece',
): number | null {
  const comments = new Set(
    now.flatMap((line, at) => (standsAlone(line) && (extent === 'file' || FOREIGN.test(line)) ? [at] : [])),
  )
  if (comments.size === 0) return null
  const aligned = alignLines(old, now)
  if (aligned === null) return null
  let kept = -1
  for (let from = 0; from < now.length; ) {
    const same = aligned[from] ?? null
    if (same !== null) {
      kept = same
      from++
      continue
    }
    let to = from
    while (to < now.length && aligned[to] === null) to++
    const next = aligned[to] ?? old.length
    const gap = { lost: old.slice(kept + 1, next), added: now.slice(from, to) }
    const last = to - 1
    if (comments.has(last) && takesPlace(gap)) {
      const hasNeighbour = kept >= 0 || to < now.length || gap.added.length > 1
      if (FOREIGN.test(now[last] ?? '') || hasNeighbour) return last
    }
    from = to
  }
  return null
}

interface Gap {
  readonly lost: readonly string[]
  readonly added: readonly string[]
}

function takesPlace({ lost, added }: Gap): boolean {
  const changed = added.slice(0, -1)
  return lost.length - changed.length >= MIN_LOST_LINES && changed.every((line, at) => isLike(line, lost[at] ?? ''))
}

/** At least half of the longer line is what both begin and end with. */
function isLike(one: string, other: string): boolean {
  const shorter = Math.min(one.length, other.length)
  let head = 0
  while (head < shorter && one[head] === other[head]) head++
  let tail = 0
  while (tail < shorter - head && one.at(-1 - tail) === other.at(-1 - tail)) tail++
  return (head + tail) * 2 >= Math.max(one.length, other.length)
}

/** A short comment and nothing else, in one phrase. */
function standsAlone(line: string): boolean {
  if (line.length > MAX_CHARS + 40) return false
  const words = COMMENT.exec(line.trim())?.groups?.['words'] ?? ''
  if (words.length > (WIDE.test(words) ? MAX_WIDE_CHARS : MAX_CHARS) || !/\p{L}/u.test(words)) return false
  return FOREIGN.test(words) ? !/\w\.\w|[/\\`]/.test(words) : !NAMES_THINGS.test(words) && !EXPLAINS.test(words)
}
