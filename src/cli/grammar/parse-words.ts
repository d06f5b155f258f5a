import { parseArgs } from 'node:util'
import { UsageError } from '../usage-error.ts'
import { nearestName } from './nearest-name.ts'

/** An option of a command. */
export interface Option {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  /** What it does, a few words; for help and completion. */
  readonly what: string
  /** Name of its value in the help, for a string; by default VALUE. */
  readonly value?: string
  /** The only values that it takes; left out: any. */
  readonly choices?: readonly string[]
}

/** The options of a command by their long names. */
export type OptionTable = Readonly<Record<string, Option>>

/** What was typed behind a command. */
export interface ParsedWords<T extends OptionTable> {
  /** Absent: not typed. */
  readonly values: { readonly [K in keyof T]?: T[K]['type'] extends 'string' ? string : boolean }
  readonly positionals: readonly string[]
}

/**
 * Reads the words behind a command. Throws {@link UsageError} for an option that is not in the table, naming the nearest
 * one, for a value that is missing or not among the choices, and for one where none belongs. Pure.
 */
export function parseWords<T extends OptionTable>(words: readonly string[], options: T): ParsedWords<T> {
  const { tokens, positionals } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [
        name,
        short === undefined ? { type } : { type, short },
      ]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
  })
  const values: Record<string, string | boolean> = {}
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName } = token
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    if (option === undefined) throw unknownOption(rawName, options)
    // `--project --json`: the next option was taken for the value, which nobody means.
    const isNextOption = token.inlineValue === false && /^--[a-z]/.test(token.value)
    values[name] = valueOf(rawName, option, isNextOption ? undefined : token.value)
  }
  return { values: values as ParsedWords<T>['values'], positionals }
}

function valueOf(rawName: string, option: Option, value: string | undefined): string | boolean {
  if (option.type === 'boolean') {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
    return true
  }
  if (value === undefined || value === '') {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? 'VALUE'}.`)
  }
  if (option.choices !== undefined && !option.choices.includes(value)) {
    throw new UsageError(`${rawName} takes: ${option.choices.join(', ')}.`)
  }
  return value
}

function unknownOption(rawName: string, options: OptionTable): UsageError {
  const nearest = nearestName(rawName.replace(/^-+/, ''), [...Object.keys(options), 'help'])
  const hint = nearest === undefined ? '' : ` Did you mean --${nearest}?`
  const text = hint === '' && !rawName.startsWith('--') ? ' A text that begins with a dash goes behind --.' : hint
  return new UsageError(`There is no option ${rawName}.${text}`)
}
