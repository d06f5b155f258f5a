/** The least that is left of a text, at both ends together. */
const MIN_KEPT_CHARACTERS = 200
const HEAD_SHARE = 0.7

/**
 * Texts that take at most about `maxCharacters` together: unchanged when they do, else the longest ones are cut in their
 * middle, all to one length, with a mark that says how much is missing. Pure; the number of texts stays.
 */
export function fitTexts(texts: readonly string[], maxCharacters: number): string[] {
  const lengths = texts.map((text) => text.length).sort((a, b) => a - b)
  let room = maxCharacters
  let limit = Number.POSITIVE_INFINITY
  for (const [index, length] of lengths.entries()) {
    const share = room / (lengths.length - index)
    if (length > share) {
      limit = Math.max(MIN_KEPT_CHARACTERS, Math.floor(share))
      break
    }
    room -= length
  }
  return texts.map((text) => (text.length <= limit ? text : cutMiddle(text, limit)))
}

function cutMiddle(text: string, limit: number): string {
  const head = Math.floor(limit * HEAD_SHARE)
  const tail = limit - head
  // Half of a surrogate pair could not be stored.
  const start = text.slice(0, head).replace(/[\uD800-\uDBFF]$/, '')
  const end = text.slice(text.length - tail).replace(/^[\uDC00-\uDFFF]/, '')
  return `${start}\n[… ${text.length - start.length - end.length} characters left out …]\n${end}`
}
