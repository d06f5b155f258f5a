/** Which directories of a project are shown to the model, and how far. Pure. */

import { kindAnywhere, placeKind } from '../shared/places.ts'

/** `hidden`: not shown. `closed`: shown by its name, its entries are not. `open`: source. */
export type Openness = 'hidden' | 'closed' | 'open'

/**
 * What a directory called `name` is, going by the names beside it and what the root's .gitignore says of its `path`
 * (see {@link gitignoreMatcher}). What git tracks is source, whatever it is called; what only looks generated is still named.
 */
export function opennessOf(
  name: string,
  siblings: ReadonlySet<string>,
  isIgnored: (path: string) => boolean,
  path: string,
): Openness {
  if (isIgnored(path)) return 'hidden'
  const kind = placeKind(name, siblings)
  if (kind === 'source') return 'open'
  return kindAnywhere(name) === null && name !== 'vendor' ? 'closed' : 'hidden'
}

/**
 * Tells for a path whether the plain lines of a .gitignore name it (`out`, `out/`, `/out`, `a/out`). Patterns with `*`, `?`
 * or `[` are left to git: something that is shown though it is ignored does no harm, the other way round it does.
 */
export function gitignoreMatcher(gitignore: string): (path: string) => boolean {
  const anywhere = new Set<string>()
  const anchored = new Set<string>()
  const kept = new Set<string>()
  for (const line of gitignore.split('\n')) {
    const pattern = line.trimEnd()
    if (pattern === '' || /^#|[*?[\\]/.test(pattern)) continue
    const isKept = pattern.startsWith('!')
    const path = pattern.slice(isKept ? 1 : 0).replace(/\/$/, '')
    if (isKept) kept.add(path.replace(/^\//, ''))
    else if (path.includes('/')) anchored.add(path.replace(/^\//, ''))
    else anywhere.add(path)
  }
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (kept.has(path) || kept.has(name)) return false
    return anchored.has(path) || anywhere.has(name)
  }
}
