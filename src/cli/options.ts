import { parseArgs } from 'node:util'

export const USAGE = `npm run chat -- "message" [options]
npm run chat -- "/help"       commands that ask the server, not the model: /undo, /diff, /context, /criteria, /memory, /cost
npm run chat                  a prompt, on a terminal

  --project ID|NAME  the project; without it the newest sample project, made when there is none
  --sample           a new sample project
  --new              a new conversation
  --model MODEL      another model for this task
  --expect approved  end with 0 only when the change was approved without notes
  --json             print the events, or a command's answer, as JSON lines
  --yes              do what /undo would ask about
  --help             this text

Ctrl-C once cancels the task and waits for the confirmation, twice leaves at once.
Ends with 0 when the task completed well, 1 when it did not, 2 when it could not be asked, 130 after a cancel.
`

export interface ChatOptions {
  /** null asks for a prompt. */
  readonly message: string | null
  readonly project?: string
  readonly freshSample: boolean
  readonly newConversation: boolean
  readonly model?: string
  readonly expectApproved: boolean
  readonly json: boolean
  /** Commands that would ask do not. */
  readonly yes: boolean
}

/** Wrong arguments; the message is for the person who typed them. */
export class UsageError extends Error {}

/** Null asks for the help text. Without a message a terminal gets a prompt. Throws {@link UsageError}. */
export function parseOptions(
  words: readonly string[],
  { isTerminal }: { readonly isTerminal: boolean } = { isTerminal: false },
): ChatOptions | null {
  const { values, positionals } = parse(words)
  if (values.help) return null
  const message = positionals.join(' ').trim()
  if (message === '' && (!isTerminal || values.json)) throw new UsageError('A message is missing.')
  if (values.expect !== undefined && values.expect !== 'approved') throw new UsageError('--expect takes: approved')
  if (values.sample && values.project !== undefined) throw new UsageError('--sample and --project exclude each other.')
  return {
    message: message === '' ? null : message,
    freshSample: values.sample,
    newConversation: values.new,
    expectApproved: values.expect === 'approved',
    json: values.json,
    yes: values.yes,
    ...(values.project === undefined ? {} : { project: values.project }),
    ...(values.model === undefined ? {} : { model: values.model }),
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        project: { type: 'string' },
        sample: { type: 'boolean', default: false },
        new: { type: 'boolean', default: false },
        model: { type: 'string' },
        expect: { type: 'string' },
        json: { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The arguments are not valid.')
  }
}
