#!/usr/bin/env node
/** The terminal's client: posts a message, shows the work, ends with a code that says how it went. */

import { loadChatConfig } from '../config.ts'
import { createApi } from './api.ts'
import { clean } from './clean-text.ts'
import { isCommand, runCommand } from './commands.ts'
import { EXIT } from './exit-codes.ts'
import { findProject, newConversation } from './find-project.ts'
import { openHere } from './here/open-here.ts'
import { runPrompt } from './interactive.ts'
import { chatUsage, parseOptions } from './options.ts'
import { createPrinter } from './printer.ts'
import { runMessage } from './run-message.ts'
import type { Session } from './session.ts'
import { confirm, onSignal, readLine } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const { home, noColor, typed, directory } = loadChatConfig(process.env)

async function main(): Promise<number> {
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY
  const options = parseOptions(process.argv.slice(2), { isTerminal })
  if (options === null) {
    process.stdout.write(chatUsage(typed))
    return EXIT.good
  }
  // With --json standard output holds the events and nothing else.
  const notes = options.json ? process.stderr : process.stdout
  const printer = createPrinter((text) => notes.write(text), { color: notes.isTTY && !noColor })
  const api = createApi(home, { howToStart: typed.startsWith('npm') ? 'npm start' : 'keelson start' })
  const project = options.here ? await openHere(api, directory, home) : await findProject(api, options)
  const session: Session = {
    api,
    options,
    printer,
    project,
    ...(options.here ? { directory } : {}),
    conversationId: options.newConversation ? await newConversation(api, project.id) : undefined,
    writeJson: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    confirm: (question) => (isTerminal && !options.json ? confirm(question) : Promise.resolve(null)),
    ...(isTerminal && !options.json ? { readLine } : {}),
    onInterrupt: onSignal,
  }
  if (options.message === null) return await runPrompt(session)
  return await (isCommand(options.message) ? runCommand : runMessage)(session, options.message)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Sets the code and lets the process end by itself, so that what was written to a pipe still gets out. */
process.stdout.on('error', () => process.exit(EXIT.bad))
main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const hint = error instanceof UsageError ? `${typed} --help lists the options.\n` : ''
    process.stderr.write(`${clean(messageOf(error))}\n${hint}`)
    process.exitCode = EXIT.notAsked
  },
)
