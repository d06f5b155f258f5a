/** A text, or its beginning with an ellipsis as the last of `maxCharacters` (code points, at least 1). Pure. */
export function shorten(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text
  // A character is at most two units, so that only so much of a long text is taken apart.
  const characters = Array.from(text.slice(0, maxCharacters * 2))
  const isWhole = characters.length <= maxCharacters && text.length <= maxCharacters * 2
  return isWhole ? text : `${characters.slice(0, maxCharacters - 1).join('')}…`
}

/**
 * A text on one line: each run of white space becomes one space, with none at the ends. What is longer than `maxCharacters`
 * is shortened; without that bound nothing is cut. Pure.
 */
export function oneLine(text: string, maxCharacters = Number.POSITIVE_INFINITY): string {
  return shorten(text.replaceAll(/\s+/g, ' ').trim(), maxCharacters)
}
