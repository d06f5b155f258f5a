import { linesOf } from './numbered-lines.ts'

/** Lines, as a diff counts them. */
export interface LineChanges {
  readonly added: number
  readonly removed: number
}

/** Above this product of differing lines the exact count costs more than it tells; all of them count as changed. */
const MAX_CELLS = 4_000_000

/** How many lines a change adds and removes, as a minimal diff would count them. Null stands for no file. */
export function countLineChanges(before: string | null, after: string): LineChanges {
  const [old, now] = trimCommon(linesOf(before ?? ''), linesOf(after))
  const kept = old.length * now.length > MAX_CELLS ? 0 : longestCommon(old, now)
  return { added: now.length - kept, removed: old.length - kept }
}

function trimCommon(a: readonly string[], b: readonly string[]): [string[], string[]] {
  const shorter = Math.min(a.length, b.length)
  let head = 0
  while (head < shorter && a[head] === b[head]) head++
  let tail = 0
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  return [a.slice(head, a.length - tail), b.slice(head, b.length - tail)]
}

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let previous = new Uint32Array(b.length + 1)
  for (const line of a) {
    const row = new Uint32Array(b.length + 1)
    for (let j = 1; j <= b.length; j++) {
      row[j] = line === b[j - 1] ? (previous[j - 1] ?? 0) + 1 : Math.max(previous[j] ?? 0, row[j - 1] ?? 0)
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
