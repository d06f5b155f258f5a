/** More mistakes than this and it was another word. */
const MAX_EDITS = 2

/**
 * The name that somebody may have meant: the one with the fewest letters added, left out, changed or swapped, at most two
 * and fewer than half of what was typed, or the only one that begins so. Undefined when none is near. Pure.
 */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const word = typed.toLowerCase()
  const begun = names.filter((name) => word.length > 1 && name.startsWith(word))
  if (begun.length === 1) return begun[0]
  let nearest: { name: string; edits: number } | undefined
  for (const name of names) {
    const edits = editsBetween(word, name)
    if (edits > MAX_EDITS || edits * 2 >= word.length) continue
    if (nearest === undefined || edits < nearest.edits) nearest = { name, edits }
  }
  return nearest?.name
}

/** The distance of Damerau and Levenshtein, in which two neighbours that changed places count once. */
function editsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_EDITS) return MAX_EDITS + 1
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const here = [row]
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      here[column] = Math.min(
        (above[column] ?? 0) + 1,
        (here[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + cost,
        isSwap ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    before = above
    above = here
  }
  return above[b.length] ?? 0
}
