/**
 * Work whose effects can be counted. Each command appends its own word to `begun.log`, sleeps, and appends it to
 * `ended.log`; each edit puts its own word into the message's own file. A word that stands there twice was done twice.
 */

import type { Random } from './random.ts'

export const BEGUN = 'begun.log'
export const ENDED = 'ended.log'

/** Where the edits of a message go. */
export function notesOf(name: string): string {
  return `notes/${name}.txt`
}

interface ToolUse {
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
}

interface Turn {
  readonly text?: string
  readonly thinking?: string
  readonly tools?: readonly ToolUse[]
  readonly delayMs?: number
}

export interface Work {
  /** Unique in the run; begins all words of this message. */
  readonly name: string
  /** What is posted. */
  readonly text: string
}

/** A message whose scripted answer has a few turns of commands, file edits and words. `name` is of A-Z a-z 0-9 and `-`. */
export function makeWork(random: Random, name: string): Work {
  const count = random.whole(1, 4)
  const turns: Turn[] = [{ text: sentence(random, 6, 20), tools: [writeNotes(name)] }]
  for (let turn = 1; turn <= count; turn++) turns.push(makeTurn(random, name, turn))
  turns.push({ text: sentence(random, 10, 60) })
  return { name, text: `${sentence(random, 3, 8)} (${name}) script: ${JSON.stringify({ turns })}` }
}

function makeTurn(random: Random, name: string, turn: number): Turn {
  const tools: ToolUse[] = []
  const calls = random.whole(1, 3)
  for (let ordinal = 1; ordinal <= calls; ordinal++) tools.push(makeCall(random, name, `${name}.${turn}.${ordinal}`))
  return {
    tools,
    ...(random.chance(0.7) ? { text: sentence(random, 5, 40) } : {}),
    ...(random.chance(0.2) ? { thinking: sentence(random, 5, 20) } : {}),
    ...(random.chance(0.3) ? { delayMs: random.whole(50, 600) } : {}),
  }
}

function makeCall(random: Random, name: string, word: string): ToolUse {
  const kind = random.next()
  if (kind < 0.6) return { name: 'bash', input: { command: commandFor(random, word) } }
  if (kind < 0.85) {
    return { name: 'edit', input: { file_path: notesOf(name), old_string: 'END', new_string: `${word}\nEND` } }
  }
  if (kind < 0.95) return { name: 'read', input: { file_path: notesOf(name) } }
  return { name: 'glob', input: { pattern: 'notes/*.txt' } }
}

function writeNotes(name: string): ToolUse {
  return { name: 'write', input: { file_path: notesOf(name), content: `${name}\nEND\n` } }
}

function commandFor(random: Random, word: string): string {
  const pauses = random.whole(1, 4)
  const seconds = random.chance(0.1) ? '0.8' : `0.${random.whole(1, 3)}`
  const loop = `for i in $(seq ${pauses}); do echo "${word} $i äöü"; sleep ${seconds}; done`
  return `echo ${word} >> ${BEGUN}; ${loop}; echo ${word} >> ${ENDED}`
}

const WORDS = [
  'build',
  'the',
  'list',
  'and',
  'keep',
  'every',
  'file',
  'größer',
  'than',
  '🚀',
  'zero',
  'naïve',
  '"quoted"',
]

function sentence(random: Random, min: number, max: number): string {
  return Array.from({ length: random.whole(min, max) }, () => random.pick(WORDS)).join(' ')
}
