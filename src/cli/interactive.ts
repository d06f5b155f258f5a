import { ApiError } from './api.ts'
import { clean } from './clean-text.ts'
import { isCommand, runCommand } from './commands.ts'
import { EXIT } from './exit-codes.ts'
import { runMessage } from './run-message.ts'
import type { Session } from './session.ts'
import { onKey, readTyped, type Typed } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const LEAVE = new Set(['/exit', '/quit'])
const MAX_HISTORY = 200

/** Where the prompt's words come from; the terminal, unless a test says otherwise. */
export interface Keyboard {
  read(prompt: string, history: readonly string[]): Promise<Typed>
  onInterrupt(handler: () => void): () => void
}

const TERMINAL: Keyboard = { read: readTyped, onInterrupt: onKey }

/**
 * Message in, stream out, until Ctrl-D, `/exit` or a second Ctrl-C at the prompt. While a task runs the first Ctrl-C
 * cancels it and the second goes back to the prompt. What the server refuses is shown and the prompt comes again.
 */
export async function runPrompt(given: Session, keyboard: Keyboard = TERMINAL): Promise<number> {
  const session: Session = { ...given, onInterrupt: keyboard.onInterrupt }
  session.printer.note(`${clean(session.project.name)} · /help lists the commands, Ctrl-D leaves`, 'dim')
  const history: string[] = []
  for (let interrupts = 0; ; ) {
    const typed = await keyboard.read('› ', history)
    if (typed.kind === 'end') return EXIT.good
    if (typed.kind === 'interrupt') {
      interrupts += 1
      if (interrupts > 1) return EXIT.good
      session.printer.note('Ctrl-C again or Ctrl-D leaves.', 'dim')
      continue
    }
    interrupts = 0
    const text = typed.text.trim()
    if (text === '') continue
    if (LEAVE.has(text)) return EXIT.good
    history.unshift(text)
    history.splice(MAX_HISTORY)
    await runLine(session, text)
  }
}

async function runLine(session: Session, text: string): Promise<void> {
  try {
    await (isCommand(text) ? runCommand : runMessage)(session, text)
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof UsageError)) throw error
    session.printer.note(clean(error.message), 'red')
  }
}
