const WORD = /"[^"]*"|'[^']*'|&&|\|\||[;&|]|[^\s"';&|]+/g
const WATCH_FLAG = /^--?watch(?:-?all)?(?:=true)?$/i
/** Programs for which `-w` means watching. */
const SHORT_FLAG = new Set(['tsc', 'jest', 'mocha', 'vitest', 'rollup', 'webpack', 'ava'])
const WATCHERS = new Set(['nodemon', 'live-server', 'browser-sync'])
const RUNNERS = new Set(['npm', 'pnpm', 'yarn', 'bun'])

/**
 * Whether a script waits for changes instead of ending: it says so by a flag of its own (not by a part of another word, and
 * not when the flag is switched off), or it calls a script of the same package that does. Pure; looks at each script once.
 */
export function neverEnds(
  script: string,
  scripts: Readonly<Record<string, unknown>>,
  seen: Set<string> = new Set(),
): boolean {
  const words = script.slice(0, 10_000).match(WORD) ?? []
  let program = ''
  for (const [index, word] of words.entries()) {
    if (/^(?:&&|\|\||[;&|])$/.test(word)) program = ''
    else if (program === '' && !/^\w+=/.test(word) && word !== 'npx') program = word
    const next = words[index + 1]
    if (WATCH_FLAG.test(word) && next !== 'false') return true
    if (word === '-w' && SHORT_FLAG.has(program)) return true
    if (word === program && WATCHERS.has(word)) return true
    if (word === 'watch' && program === 'vitest' && words[index - 1] === 'vitest') return true
    const called = RUNNERS.has(program) ? scripts[word] : undefined
    if (typeof called !== 'string' || seen.has(word)) continue
    seen.add(word)
    if (neverEnds(called, scripts, seen)) return true
  }
  return false
}
