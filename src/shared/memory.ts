/** What people ask a project to remember: the rules of the list, pure. Postgres holds one list a project. */

import { oneLine } from './text/one-line.ts'

/** Facts that a project remembers at most. */
export const MAX_FACTS = 100
/** Characters as people count them (code points). */
export const MAX_FACT_CHARACTERS = 500

/** One thing to remember, on one line; `text` has no white space at its ends and no two spaces in a row. */
export interface Fact {
  readonly id: string
  readonly text: string
  /** ISO 8601 in UTC. */
  readonly createdAt: string
}

/** What a project remembers. */
export interface ProjectMemory {
  /** Goes up with every change; 0: nobody has asked for anything yet. */
  readonly version: number
  readonly facts: readonly Fact[]
}

/** A line that could not be remembered, and why. `text` is at most 80 characters of it. */
export interface RefusedFact {
  readonly text: string
  readonly why: 'too_long' | 'too_many'
}

const REMEMBER = 'remember:'
const MAX_SHOWN_CHARACTERS = 80

/**
 * The text behind `remember:` (in any case) when a message begins with it, or null. Only the message's own first line
 * counts, and not as a quote, in a fence or indented like code: what people paste into a message is other people's text.
 */
export function rememberedText(message: string): string | null {
  const first = message.split(/[\n\r\u2028\u2029]/).find((line) => line.trim() !== '') ?? ''
  const line = first.trimStart()
  const isCode = !/^ {0,3}\S/.test(first)
  if (isCode || line.slice(0, REMEMBER.length).toLowerCase() !== REMEMBER) return null
  const text = oneLine(line.slice(REMEMBER.length))
  return text === '' ? null : text
}

/**
 * Adds texts to a list. One that is known already, in whatever case, changes nothing; one that is too long or finds the
 * list full is refused and comes back in `refused`.
 */
export function addFacts(
  facts: readonly Fact[],
  texts: readonly string[],
  make: (text: string) => Fact,
): { readonly facts: readonly Fact[]; readonly added: readonly Fact[]; readonly refused: readonly RefusedFact[] } {
  const known = new Set(facts.map((fact) => fact.text.toLowerCase()))
  const added: Fact[] = []
  const refused: RefusedFact[] = []
  for (const text of texts) {
    if (known.has(text.toLowerCase())) continue
    if ([...text].length > MAX_FACT_CHARACTERS)
      refused.push({ text: oneLine(text, MAX_SHOWN_CHARACTERS), why: 'too_long' })
    else if (facts.length + added.length >= MAX_FACTS)
      refused.push({ text: oneLine(text, MAX_SHOWN_CHARACTERS), why: 'too_many' })
    else {
      known.add(text.toLowerCase())
      added.push(make(text))
    }
  }
  return { facts: [...facts, ...added], added, refused }
}

/** What people are told in the conversation about lines that were not remembered; `refused` holds at least one. */
export function refusalNote(refused: readonly RefusedFact[]): string {
  const lines = refused.slice(0, 10).map(({ text, why }) => {
    const reason =
      why === 'too_long'
        ? `longer than ${MAX_FACT_CHARACTERS} characters`
        : `${MAX_FACTS} facts are remembered already; remove some first`
    return `- ${text} (${reason})`
  })
  const more = refused.length > lines.length ? [`- and ${refused.length - lines.length} more`] : []
  return ['Not remembered:', ...lines, ...more].join('\n')
}

/** What the models of running tasks are told of facts that came to the list; `added` holds at least one. */
export function rememberedNotice(added: readonly Fact[]): string {
  return `Notice: the user asked to remember from now on:\n${linesOfFacts(added)}`
}

/** What the models of running tasks are told of a list that a person edited. */
export function changeNotice(facts: readonly Fact[]): string {
  const lines = facts.length === 0 ? 'Nothing.' : linesOfFacts(facts)
  return `Notice: the user edited what is to be remembered. It is now, in place of what you were told before:\n${lines}`
}

function linesOfFacts(facts: readonly Fact[]): string {
  return facts.map((fact) => `- ${fact.text}`).join('\n')
}
