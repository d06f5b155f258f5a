import { cutText } from '../shared/text/clean-text.ts'
import { showName } from './shown-name.ts'
import { showCharacters } from './shown-text.ts'

/** A line that ripgrep printed: the path as bytes decoded, and what follows it; null where a line is a path alone. */
export interface FoundLine {
  readonly path: string
  /** `12:text`, in lines of context `12-text`, in a count `12`. */
  readonly rest: string | null
}

/** `path:number:text`, in lines of context `path-number-text`, with every character of it visible, at most `maxChars`. */
export function shownLine({ path, rest }: FoundLine, maxChars: number): string {
  const name = showName(path.replace(/^\.\//, ''))
  if (rest === null) return name
  const separator = /^\d+([:-])/.exec(rest)?.[1] ?? ':'
  const text = `${name}${separator}${showCharacters(rest.replace(/^(\d+[:-])\ufeff/, '$1'))}`
  return text.length <= maxChars ? text : `${cutText(text, maxChars)} […]`
}
