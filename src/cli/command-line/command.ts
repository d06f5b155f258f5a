import type { Api } from '../api.ts'
import type { HostFacts } from '../doctor/examine.ts'
import { helpText } from '../grammar/help-text.ts'
import { type OptionTable, type ParsedWords, parseWords } from '../grammar/parse-words.ts'
import type { Printer } from '../printer.ts'

/** What the scripts around the built program do: they know how the parts of an instance are started and found. */
export interface Host {
  /** Runs until Ctrl-C. Each answers with the exit code, and writes one object to standard output with `json`. */
  start(options: { readonly json: boolean }): Promise<number>
  stop(options: { readonly json: boolean }): Promise<number>
  status(options: { readonly json: boolean }): Promise<number>
  /** The client of one message, with the terminal as its own. */
  chat(words: readonly string[]): Promise<number>
  /** For the doctor. */
  readonly facts: HostFacts
  /** Opens an address in the person's browser; false where there is no desktop. */
  browse(url: string): Promise<boolean>
}

/** What a command works with. */
export interface CommandContext {
  readonly host: Host
  /** Absolute; what runs from there is the instance that commands ask. */
  readonly home: string
  readonly api: Api
  /** For people, on standard output. */
  readonly printer: Printer
  /** Writes to standard output as it is. */
  write(text: string | Uint8Array): void
}

/** One command of `keelson`. */
export interface Command {
  readonly name: string
  /** What may follow, as in `[TASK] [PATH]`; empty for nothing. */
  readonly words: string
  readonly what: string
  readonly options: OptionTable
  /** What completion offers for words that are no options. */
  readonly completes: 'project' | 'task' | 'shell' | 'command' | 'nothing'
  /** Reads the words behind the name and does it; the answer is the exit code. Throws `UsageError` and `ApiError`. */
  run(words: readonly string[], context: CommandContext): Promise<number>
}

interface Given<T extends OptionTable> {
  readonly name: string
  readonly words?: string
  readonly what: string
  readonly options: T
  readonly completes?: Command['completes']
  readonly notes?: string
  run(typed: ParsedWords<T>, context: CommandContext): Promise<number>
}

const HELP = { help: { type: 'boolean', short: 'h', what: 'this text' } } as const satisfies OptionTable

/** Makes a command that reads its words by its table of options and knows `--help`. */
export function defineCommand<const T extends OptionTable>(given: Given<T>): Command {
  const { name, words = '', what, notes } = given
  const options = { ...given.options, ...HELP }
  return {
    name,
    words,
    what,
    options,
    completes: given.completes ?? 'nothing',
    run: async (typed, context) => {
      const parsed = parseWords(typed, options)
      if (parsed.values.help) {
        const notesOf = notes === undefined ? {} : { notes }
        context.write(helpText({ typed: `keelson ${name}`, words, what, options, ...notesOf }))
        return 0
      }
      return await given.run(parsed, context)
    },
  }
}
