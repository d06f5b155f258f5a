import type { LeftOut } from '../../shared/left-out.ts'
import { isBelowCache, leftOutPlace } from '../local-bwrap/left-out-rules.ts'

const MAX_EXAMPLES = 5

interface Moved {
  readonly kind: LeftOut['kind']
  readonly here: string[]
  readonly gone: string[]
}

/** Reads what `since` of vm.sh prints: lines `path TAB numbers`; one that is only there now begins with a TAB. Pure. */
export function readLeftOut(text: string): LeftOut[] {
  const places = new Map<string, Moved>()
  for (const line of text.split('\0')) {
    const isHere = line.startsWith('\t')
    const file = line
      .slice(isHere ? 1 : 0)
      .split('\t')
      .slice(0, -1)
      .join('\t')
      .replace(/^\.\//, '')
    if (file === '') continue
    const { path, kind } = leftOutPlace(file)
    const moved = places.get(path) ?? { kind, here: [], gone: [] }
    places.set(path, moved)
    moved[isHere ? 'here' : 'gone'].push(file)
  }
  return [...places].map(([path, { kind, here, gone }]) => ({
    path,
    kind: [...here, ...gone].every(isBelowCache) ? 'cache' : kind,
    files: Math.max(here.length, gone.length),
    replaced: gone.length,
    examples: here.toSorted((a, b) => Number(isBelowCache(a)) - Number(isBelowCache(b))).slice(0, MAX_EXAMPLES),
  }))
}
