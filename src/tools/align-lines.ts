/** Which lines of a new text are lines of the old one. Pure. */

/** Above this product of lines the table would cost more than it tells. */
const MAX_CELLS = 4_000_000

/**
 * For each line of `now` the index of the line of `old` that it is, or null where it is none; the indexes ascend. It is a longest
 * common subsequence, as a diff finds it. Null for the whole when the product of both lengths is above four million.
 */
export function alignLines(old: readonly string[], now: readonly string[]): (number | null)[] | null {
  const width = now.length + 1
  if (old.length * now.length > MAX_CELLS) return null
  // The shorter side is at most 2,000 lines long, and no count is larger.
  const common = new Uint16Array((old.length + 1) * width)
  const at = (i: number, j: number) => common[i * width + j] ?? 0
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--)
      common[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  }
  const aligned: (number | null)[] = []
  for (let i = 0, j = 0; j < now.length; ) {
    if (i < old.length && old[i] === now[j]) {
      aligned.push(i++)
      j++
    } else if (i < old.length && at(i + 1, j) >= at(i, j + 1)) i++
    else {
      aligned.push(null)
      j++
    }
  }
  return aligned
}
