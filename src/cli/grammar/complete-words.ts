import type { Command } from '../command-line/command.ts'
import { SHELLS } from './completion-script.ts'
import type { Option } from './parse-words.ts'

/** A word that may come next, and what it is. */
export interface Candidate {
  readonly word: string
  readonly what: string
}

/** What is known of the running instance; each answers with nothing when nobody can be asked. */
export interface LookUp {
  projects(): Promise<readonly Candidate[]>
  tasks(): Promise<readonly Candidate[]>
}

/**
 * What may stand in place of the last of these words, which is being typed and may be empty. `words` begin behind
 * `keelson`.
 */
export async function completeWords(
  words: readonly string[],
  commands: readonly Command[],
  lookUp: LookUp,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? ''
  const begun = (found: readonly Candidate[]) => found.filter(({ word }) => word.startsWith(current))
  const names = commands.map(({ name, what }) => ({ word: name, what }))
  if (words.length <= 1) return begun(names)
  const [name = ''] = words
  if (name === 'help') return words.length === 2 ? begun(names) : []
  const command = commands.find((each) => each.name === name)
  if (command === undefined) return []
  const before = optionNamed(command, words.at(-2) ?? '')
  if (before?.option.type === 'string') return begun(await valuesOf(before, lookUp))
  const [, optionWord = ''] = /^(--[^=]+)=/.exec(current) ?? []
  const inline = optionNamed(command, optionWord)
  if (inline !== undefined) {
    const values = await valuesOf(inline, lookUp)
    return begun(values.map(({ word, what }) => ({ word: `${optionWord}=${word}`, what })))
  }
  if (current.startsWith('-')) return begun(optionsOf(command))
  const found = begun(await wordsOf(command, commands, lookUp))
  return found.length === 0 && current === '' ? optionsOf(command) : found
}

function optionsOf(command: Command): Candidate[] {
  return Object.entries(command.options).map(([name, { what }]) => ({ word: `--${name}`, what }))
}

interface Named {
  readonly name: string
  readonly option: Option
}

function optionNamed(command: Command, word: string): Named | undefined {
  const name = word.startsWith('--') ? word.slice(2) : ''
  const option = Object.hasOwn(command.options, name) ? command.options[name] : undefined
  return option === undefined ? undefined : { name, option }
}

async function valuesOf({ name, option }: Named, lookUp: LookUp): Promise<readonly Candidate[]> {
  if (name === 'project') return await lookUp.projects()
  return (option.choices ?? []).map((word) => ({ word, what: option.what }))
}

async function wordsOf(
  { completes }: Command,
  commands: readonly Command[],
  lookUp: LookUp,
): Promise<readonly Candidate[]> {
  switch (completes) {
    case 'task':
      return await lookUp.tasks()
    case 'project':
      return await lookUp.projects()
    case 'shell':
      return SHELLS.map((word) => ({ word, what: 'shell' }))
    case 'command':
      return commands.map(({ name, what }) => ({ word: name, what }))
    case 'nothing':
      return []
  }
}
