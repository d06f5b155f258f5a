/** `@` and the beginning of a path, before the caret; pure. */

export interface Mention {
  /** Where the `@` stands. */
  readonly start: number
  readonly query: string
}

/** The mention that is being typed at the caret; null when none is. */
export function mentionAt(text: string, caret: number): Mention | null {
  const found = /(?:^|[\s(])@([\w./-]{0,200})$/.exec(text.slice(0, caret))
  if (found === null) return null
  const query = found[1] ?? ''
  return { start: caret - query.length - 1, query }
}

/** The text with the path in place of what was typed, and where the caret goes. */
export function insertMention(text: string, mention: Mention, path: string): { text: string; caret: number } {
  const before = text.slice(0, mention.start)
  const after = text.slice(mention.start + 1 + mention.query.length)
  const inserted = `@${path}${after.startsWith(' ') ? '' : ' '}`
  return { text: before + inserted + after, caret: before.length + inserted.length }
}

const MAX_SHOWN = 8

/** Paths that hold the query's letters, those whose file name begins with it first, then the shorter. */
export function matchPaths(paths: readonly string[], query: string): string[] {
  const wanted = query.toLowerCase()
  const rank = (path: string): number => {
    const name = (path.split('/').at(-1) ?? '').toLowerCase()
    if (name.startsWith(wanted)) return 0
    return path.toLowerCase().includes(wanted) ? 1 : 2
  }
  return paths
    .filter((path) => rank(path) < 2)
    .sort((a, b) => rank(a) - rank(b) || a.length - b.length || a.localeCompare(b))
    .slice(0, MAX_SHOWN)
}
