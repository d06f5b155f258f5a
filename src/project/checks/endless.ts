const WORD = /"[^"]*"|'[^']*'|&&|\|\||[;&|]|[^\s"';&|]+/g
const END_OF_COMMAND = /^(?:&&|\|\||[;&|])$/
const WATCH_FLAG = /^--?watch(?:-?all)?(?:=true)?$/i
/** Programs for which `-w` means watching; for jest it is the number of workers. */
const SHORT_FLAG = new Set(['tsc', 'mocha', 'vitest', 'rollup', 'webpack', 'ava', 'tsup', 'esbuild', 'wtr'])
const WATCHERS = new Set([
  'nodemon',
  'live-server',
  'browser-sync',
  'chokidar',
  'onchange',
  'watchexec',
  'ts-node-dev',
  'tsnd',
])
/** Of these the first word behind the program says that they wait, unless one of the flags ends them. */
const WAITING: ReadonlyMap<string, { readonly word: string; readonly unless?: RegExp }> = new Map([
  ['vitest', { word: 'watch' }],
  ['tsx', { word: 'watch' }],
  ['cargo', { word: 'watch' }],
  ['deno', { word: 'watch' }],
  ['cypress', { word: 'open' }],
  ['karma', { word: 'start', unless: /--single-?run(?!=false)/i }],
  ['ng', { word: 'test', unless: /--no-watch|--watch[= ]false/i }],
])
const RUNNERS = new Set(['npm', 'pnpm', 'yarn', 'bun', 'run-s', 'run-p', 'npm-run-all', 'npm-run-all2'])
/** These run the program that follows them. */
const WRAPPERS = new Set([
  'npx',
  'bunx',
  'pnpx',
  'exec',
  'env',
  'cross-env',
  'cross-env-shell',
  'dotenv',
  'dotenvx',
  'c8',
  'nyc',
  'time',
])

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
  let begin = 0
  let start = 0
  for (const [index, word] of words.entries()) {
    if (END_OF_COMMAND.test(word)) {
      program = ''
      begin = index
    } else if (program === '' && !/^(?:\w+=|-)/.test(word) && !WRAPPERS.has(nameOf(word))) {
      program = nameOf(word)
      start = index
    }
    if (WATCH_FLAG.test(word) && words[index + 1] !== 'false') return true
    if (word === '-w' && words.slice(begin, index).some((before) => SHORT_FLAG.has(nameOf(before)))) return true
    if (program !== '' && index === start && (WATCHERS.has(program) || waits(program, words.slice(start + 1))))
      return true
    const called = RUNNERS.has(program) ? scripts[word] : undefined
    if (typeof called !== 'string' || seen.has(word)) continue
    seen.add(word)
    if (neverEnds(called, scripts, seen)) return true
  }
  return false
}

function waits(program: string, rest: readonly string[]): boolean {
  const waiting = WAITING.get(program)
  if (waiting === undefined || rest[0] !== waiting.word) return false
  const end = rest.findIndex((word) => END_OF_COMMAND.test(word))
  return waiting.unless?.test(rest.slice(0, end === -1 ? rest.length : end).join(' ')) !== true
}

/** `jest` of `./node_modules/.bin/jest`. */
function nameOf(word: string): string {
  return word.slice(word.lastIndexOf('/') + 1)
}
