import { columns, SCREEN_WIDTH, wrapped } from './columns.ts'
import type { OptionTable } from './parse-words.ts'

const WIDTH = 20

/** What a command's help says. */
export interface Described {
  /** How it is typed: `keelson diff`. */
  readonly typed: string
  /** What may follow, as in `[TASK] [PATH]`; empty for nothing. */
  readonly words: string
  readonly what: string
  readonly options: OptionTable
  /** More lines, below the options. */
  readonly notes?: string
}

/** A command's help, ending with a line feed. Pure. */
export function helpText({ typed, words, what, options, notes }: Described): string {
  const lines = Object.entries(options).map(([name, { type, value = 'VALUE', short, choices, what: does }]) => {
    const argument = type === 'string' ? ` ${choices?.join('|') ?? value}` : ''
    return row(`--${name}${argument}${short === undefined ? '' : `, -${short}`}`, does)
  })
  const usage = [typed, words, '[options]'].filter((word) => word !== '').join(' ')
  const more = notes === undefined ? [] : ['', ...notes.trimEnd().split('\n').flatMap(fitted)]
  return [usage, '', ...wrapped(capital(what)), '', ...lines, ...more, ''].join('\n')
}

/** A line that fits stays as it was laid out. */
function fitted(line: string): string[] {
  return line.length <= SCREEN_WIDTH ? [line] : wrapped(line)
}

/** One entry of a list in a help text, on as many lines as it takes. Pure. */
export function row(name: string, does: string): string {
  return columns(name, does, WIDTH).join('\n')
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
