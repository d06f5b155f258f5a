/**
 * Which sentences of a final message claim that something ran, and whether it did. By rules over the ledger: a model's words
 * are never evidence, and advice, plans and admissions are no claims.
 */

import type { Claim, LedgerRow } from '../shared/ledger.ts'

const MAX_CLAIMS = 20
const MAX_CLAIM_CHARACTERS = 300
/** As much of a final message is looked at. */
const MAX_TEXT_CHARACTERS = 20_000

const SAYS_DONE =
  /\b(?:pass(?:es|ed|ing)?|succeed(?:s|ed)?|successful(?:ly)?|green|clean(?:ly)?|ran|runs|verified|confirmed|executed|works?|built|builds|compiles?|compiled|exit(?:s|ed)? (?:with )?(?:code )?0|no (?:errors|failures))\b/i
const IS_NO_CLAIM =
  /\b(?:should|would|will|could|can|cannot|can't|may|might|must|please|if you|you (?:need|have) to|to (?:run|check|verify|confirm|see)|(?:did|does|do|was|were|have|has|had|could) ?n[o']t|not (?:run|been run|executed|tested|verified)|without running|unable|before (?:i|the|my|this)|failed|fails|failing|broke|expected|next step|todo)\b/i

const KINDS: readonly { readonly about: Claim['about']; readonly words: RegExp; readonly rows: RegExp }[] = [
  {
    about: 'tests',
    words: /\b(?:tests?|test suite|specs?)\b/i,
    rows: /\b(?:tests?|vitest|jest|mocha|pytest|unittest|tox|rspec|phpunit|ctest|node --test|surefire)\b/i,
  },
  {
    about: 'lint',
    words: /\b(?:lint(?:er|ing)?)\b/i,
    rows: /\b(?:lint|eslint|oxlint|biome|ruff|flake8|clippy|vet)\b/i,
  },
  {
    about: 'types',
    words: /\b(?:type-?check(?:s|er|ing)?|types?)\b/i,
    rows: /\b(?:typecheck|type-check|tsc|mypy|pyright)\b/i,
  },
  {
    about: 'build',
    words: /\b(?:builds?|built|compiles?|compiled|compilation)\b/i,
    rows: /\b(?:build|compile|make|webpack|javac)\b/i,
  },
]

/**
 * The claims of `text`, at most 20, judged by `rows` in the order in which they ran. `delivered` is the tree that the task
 * ends with; null: not known, and nothing is proven. Pure, linear in the text.
 */
export function claimsIn(text: string, rows: readonly LedgerRow[], delivered: string | null): Claim[] {
  return sentencesOf(text.slice(0, MAX_TEXT_CHARACTERS))
    .filter((sentence) => SAYS_DONE.test(sentence) && !IS_NO_CLAIM.test(sentence))
    .flatMap((sentence) => claimOf(sentence, rows, delivered) ?? [])
    .slice(0, MAX_CLAIMS)
}

function sentencesOf(text: string): string[] {
  return text
    .split(/\n+|(?<=[.!?;])\s+/)
    .map((sentence) => sentence.replace(/^[\s>*#-]+/, '').trim())
    .filter((sentence) => sentence !== '')
}

function claimOf(sentence: string, all: readonly LedgerRow[], delivered: string | null): Claim | null {
  const text = sentence.slice(0, MAX_CLAIM_CHARACTERS)
  const named = commandIn(sentence)
  const kind = KINDS.find(({ words }) => words.test(sentence))
  const about = kind?.about ?? 'command'
  const isMeant = (row: LedgerRow): boolean =>
    named !== null
      ? sameCommand(row.command, named)
      : kind?.rows.test(`${row.name ?? ''} ${row.command ?? ''}`) === true
  if (named === null && kind === undefined) return null
  const ran = all.filter((row) => isMeant(row) && HAS_ENDED.has(row.status))
  const what = named === null ? `No ${NOUNS[about]} ran` : 'This command did not run'
  if (ran.length === 0) return { text, about, mark: 'unproven', reason: `${what} in this task.` }
  const last = ran.findLast((row) => delivered !== null && row.treeAfter === delivered)
  if (last === undefined) return { text, about, mark: 'unproven', reason: `${what} on the files that were delivered.` }
  if (last.status === 'passed') return { text, about, mark: 'proven', rowId: last.id }
  return { text, about, mark: 'contradicted', rowId: last.id, reason: 'The last run on these files did not pass.' }
}

const HAS_ENDED: ReadonlySet<LedgerRow['status']> = new Set(['passed', 'failed', 'timed_out', 'failed_before', 'flaky'])

const NOUNS: Readonly<Record<Claim['about'], string>> = {
  tests: 'test',
  lint: 'lint',
  types: 'type check',
  build: 'build',
  command: 'command',
}

/** The first piece in backticks that looks like a command: a program's name and at least one word more. */
function commandIn(sentence: string): string | null {
  for (const [, inside = ''] of sentence.matchAll(/`([^`\n]{3,200})`/g)) {
    if (/^(?:\.{0,2}\/)?[a-z][\w./+-]*(?:\s+\S+)+$/.test(inside.trim())) return inside.trim()
  }
  return null
}

/** The same words, as the command itself or a part of it between `&&` and `;`. */
function sameCommand(command: string | undefined, named: string): boolean {
  if (command === undefined) return false
  const words = (text: string) => text.trim().replace(/\s+/g, ' ')
  return [command, ...command.split(/&&|;|\n/)].some((part) => words(part) === words(named))
}
