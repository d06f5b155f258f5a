import { helpText } from './grammar/help-text.ts'
import { type OptionTable, type ParsedWords, parseWords } from './grammar/parse-words.ts'
import { UsageError } from './usage-error.ts'

/** What the client of one message takes. */
export const CHAT_OPTIONS = {
  project: {
    type: 'string',
    value: 'ID|NAME',
    what: 'the project; without it the newest sample project, made when there is none',
  },
  sample: { type: 'boolean', what: 'a new sample project' },
  git: { type: 'string', value: 'URL', what: 'the project of a repository, made when there is none; --ref with it' },
  ref: { type: 'string', value: 'REF', what: 'a branch, tag or commit of --git' },
  here: {
    type: 'boolean',
    what: 'the directory that this is started in: what git tracks or does not ignore is sent, the change is offered back',
  },
  new: { type: 'boolean', what: 'a new conversation' },
  model: { type: 'string', value: 'MODEL', what: 'another model for this task' },
  expect: {
    type: 'string',
    choices: ['approved'],
    what: 'end with 0 only when the change was approved without notes',
  },
  json: { type: 'boolean', what: "print the events, or a command's answer, as JSON lines" },
  yes: { type: 'boolean', what: 'do what /undo and --here would ask about' },
  help: { type: 'boolean', short: 'h', what: 'this text' },
} as const satisfies OptionTable

const NOTES = [
  'Without a message there is a prompt, on a terminal. A message such as "/help" is a command that asks the server, not the model: /undo, /diff, /context, /criteria, /memory, /cost, …',
  'Ctrl-C once cancels the task and waits for the confirmation, twice leaves at once. Ends with 0 when the task completed well, 1 when it did not, 2 when it could not be asked, 130 after a cancel.',
].join('\n')

/** The help of the client, as it is typed here. Pure. */
export function chatUsage(typed: string): string {
  return helpText({
    typed,
    words: '["message"]',
    what: 'posts a message and shows its task to the end',
    options: CHAT_OPTIONS,
    notes: NOTES,
  })
}

/** What the words of `keelson chat` ask for, checked against each other. */
export interface ChatOptions {
  /** null asks for a prompt. */
  readonly message: string | null
  readonly project?: string
  readonly freshSample: boolean
  /** The address of a repository, and what of it. */
  readonly git?: string
  readonly ref?: string
  /** Works on the files of the directory it is started in. */
  readonly here?: true
  readonly newConversation: boolean
  readonly model?: string
  readonly expectApproved: boolean
  readonly json: boolean
  /** Takes the answer yes where a command would ask. */
  readonly yes: boolean
}

/** Null asks for the help text. Without a message a terminal gets a prompt. Throws {@link UsageError}. */
export function parseOptions(
  words: readonly string[],
  { isTerminal }: { readonly isTerminal: boolean } = { isTerminal: false },
): ChatOptions | null {
  const { values, positionals }: ParsedWords<typeof CHAT_OPTIONS> = parseWords(words, CHAT_OPTIONS)
  if (values.help) return null
  const message = positionals.join(' ').trim()
  if (message === '' && (!isTerminal || values.json)) throw new UsageError('A message is missing.')
  const chosen = (['sample', 'project', 'git', 'here'] as const).filter((name) => Boolean(values[name]))
  if (chosen.length > 1) throw new UsageError(`${chosen.map((name) => `--${name}`).join(' and ')} exclude each other.`)
  if (values.ref !== undefined && values.git === undefined) throw new UsageError('--ref belongs to --git.')
  return {
    message: message === '' ? null : message,
    freshSample: values.sample ?? false,
    newConversation: values.new ?? false,
    expectApproved: values.expect === 'approved',
    json: values.json ?? false,
    yes: values.yes ?? false,
    ...(values.project === undefined ? {} : { project: values.project }),
    ...(values.here === true ? { here: true as const } : {}),
    ...(values.git === undefined ? {} : { git: values.git }),
    ...(values.ref === undefined ? {} : { ref: values.ref }),
    ...(values.model === undefined ? {} : { model: values.model }),
  }
}
