const WORD = /"[^"]*"|'[^']*'|&&|\|\||[;\n]|[^\s"';&|]+|[&|]/g
/** Anything of a shell beyond lists of simple commands: what it does is not worked out here. */
const BEYOND = /[`$(){}<>\\#]|\b(?:if|for|while|until|case|set)\b/
/** Where output and errors go says nothing of how a command ends. */
const REDIRECTION = /\d?>&\d/g
const ENDS_WELL = new Set(['echo', 'printf', 'true', ':'])
/** At the end of a pipe these take its exit code: what failed before them is not seen. */
const TAKES_OVER = new Set(['cat', 'tee', 'head', 'tail', 'sort', 'uniq', 'wc', 'tr', 'cut', 'nl', 'fold'])
const MAX_CHARS = 2_000

/** What a part of a script can end with: 0, another code, or either. */
type Ending = 'well' | 'badly' | 'either'

/**
 * Whether a script ends with code 0 whatever the project's files are: `echo ok`, `exit 0`, `true || run-tests`,
 * `run-tests || true`, `run-tests | tee log`. Follows `&&`, `||`, `;` and `|` between plain commands; of anything else it says no. Pure, linear in the
 * script.
 */
export function alwaysPasses(script: string): boolean {
  const text = script.trim().replaceAll(REDIRECTION, '')
  if (text === '' || text.length > MAX_CHARS || BEYOND.test(text)) return false
  let ending: Ending = 'well'
  let joint = ';'
  for (const { words, next } of commandsOf(text)) {
    const own = endingOf(words)
    if (own === null) return false
    const reach = reachOf(ending, joint)
    if (words[0] === 'exit' && reach !== 'never' && (reach === 'surely' || own !== 'well')) return own === 'well'
    ending = after(ending, own, joint, reach)
    joint = next
  }
  return ending === 'well'
}

type Reach = 'surely' | 'never' | 'maybe'

function reachOf(before: Ending, joint: string): Reach {
  if (joint !== '&&' && joint !== '||') return 'surely'
  if (before === 'either') return 'maybe'
  return (before === 'well') === (joint === '&&') ? 'surely' : 'never'
}

/** What stands after a command: its own ending, or what was before where it is passed by. */
function after(before: Ending, own: Ending, joint: string, reach: Reach): Ending {
  if (reach === 'surely') return own
  if (reach === 'never') return before
  const passedBy = joint === '||' ? 'well' : 'badly'
  return own === passedBy ? own : 'either'
}

/** null: nothing is known of the whole then. */
function endingOf(words: readonly string[]): Ending | null {
  const [program = '', argument] = words
  if (program === '' || program === '&' || words.includes('&')) return null
  const last = words.lastIndexOf('|')
  if (last !== -1) return TAKES_OVER.has(words[last + 1] ?? '') ? 'well' : null
  if (program === 'exit') return argument === undefined ? null : argument === '0' ? 'well' : 'badly'
  if (program === 'false') return 'badly'
  return ENDS_WELL.has(program) ? 'well' : 'either'
}

function commandsOf(text: string): { readonly words: string[]; readonly next: string }[] {
  const commands: { words: string[]; next: string }[] = []
  let words: string[] = []
  for (const word of text.match(WORD) ?? []) {
    if (/^(?:&&|\|\||[;\n])$/.test(word)) {
      if (words.length > 0 || word !== '\n') commands.push({ words, next: word })
      words = []
    } else words.push(word)
  }
  // What follows the last `;` may be nothing at all.
  return words.length === 0 ? commands : [...commands, { words, next: ';' }]
}
