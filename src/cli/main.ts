/** `keelson`: finds the command, runs it, turns what went wrong into a sentence and an exit code. */

import { loadChatConfig } from '../config.ts'
import { ApiError, createApi } from './api.ts'
import { clean } from './clean-text.ts'
import type { Command, CommandContext, Host } from './command-line/command.ts'
import { COMMANDS } from './command-line/command-table.ts'
import { completionLines } from './command-line/complete.ts'
import { EXIT } from './exit-codes.ts'
import { wrapped } from './grammar/columns.ts'
import { row } from './grammar/help-text.ts'
import { nearestName } from './grammar/nearest-name.ts'
import { createPrinter } from './printer.ts'
import { UsageError } from './usage-error.ts'

/** Where and as what it runs. */
export interface KeelsonOptions {
  /** Absolute. */
  readonly home: string
  readonly version: string
  readonly host: Host
}

/**
 * Runs `keelson` with these words and returns its exit code. Throws only what the host throws. With `--json` an error is one
 * object on standard output, beside its sentence on standard error.
 */
export async function keelson(words: readonly string[], { home, version, host }: KeelsonOptions): Promise<number> {
  const api = createApi(home, { howToStart: 'keelson start' })
  const write = (text: string | Uint8Array) => void process.stdout.write(text)
  const [name, ...rest] = words
  if (name === '__complete') {
    write(await completionLines(rest, COMMANDS, api))
    return EXIT.good
  }
  const color = process.stdout.isTTY && !loadChatConfig(process.env).noColor
  const context: CommandContext = { host, home, api, printer: createPrinter(write, { color }), write }
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') return await help(rest, context)
    if (name === '--version' || name === '-v' || name === 'version') {
      write(`keelson ${version}\n`)
      return EXIT.good
    }
    return await commandNamed(name).run(rest, context)
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ApiError)) throw error
    const hint = error instanceof UsageError ? `keelson ${helpFor(name)} lists what there is.\n` : ''
    process.stderr.write(`${clean(error.message)}\n${hint}`)
    const code = error instanceof ApiError ? error.code : 'usage'
    if (rest.includes('--json')) write(`${JSON.stringify({ error: { code, message: error.message } })}\n`)
    return EXIT.notAsked
  }
}

function commandNamed(name: string): Command {
  const command = COMMANDS.find((each) => each.name === name)
  if (command !== undefined) return command
  const kind = name.startsWith('-') ? 'option' : 'command'
  const names = kind === 'option' ? ['--help', '--version'] : [...COMMANDS.map((each) => each.name), 'help', 'version']
  const nearest = nearestName(name, names)
  throw new UsageError(`There is no ${kind} ${name}.${nearest === undefined ? '' : ` Did you mean ${nearest}?`}`)
}

async function help([name]: readonly string[], context: CommandContext): Promise<number> {
  if (name !== undefined) return await commandNamed(name).run(['--help'], context)
  const commands = COMMANDS.map((command) => row(command.name, command.what))
  const notes = [
    `All data are in ${context.home} (KEELSON_HOME names another directory). Every command but help, version, patch and completion takes --json.`,
    'Ends with 0 when it went well, 1 when it did not, 2 when it could not be asked (wrong words, nothing runs, refused), 130 after Ctrl-C.',
  ]
  context.write(`keelson COMMAND [options]

A self-hosted coding-agent server: start it, chat with it, take what it made.

${commands.join('\n')}
${row('help COMMAND', 'what a command takes; COMMAND --help says the same')}
${row('version', 'the version')}

${notes.flatMap((note) => wrapped(note)).join('\n')}
`)
  return EXIT.good
}

function helpFor(name: string | undefined): string {
  return COMMANDS.some((command) => command.name === name) ? `${name} --help` : '--help'
}
