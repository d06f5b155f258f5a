import type { Api } from './api.ts'
import type { ChosenProject } from './find-project.ts'
import type { ChatOptions } from './options.ts'
import type { Printer } from './printer.ts'

/** What one run of the client works with: the server, a project, and the terminal. */
export interface Session {
  readonly api: Api
  readonly options: ChatOptions
  readonly printer: Printer
  readonly project: ChosenProject
  /** The directory that the project's files came from, and go back to; absent when they did not. */
  readonly directory?: string
  /** Left out: the project's newest. */
  readonly conversationId: string | undefined
  /** Writes a line of JSON; for `--json`. */
  writeJson(value: unknown): void
  /** Asks a person yes or no; null when nobody can be asked. */
  confirm(question: string): Promise<boolean | null>
  /** Reads one line; null when the person left the prompt. Absent when nobody can be asked. */
  readonly readLine?: (prompt: string) => Promise<string | null>
  /** Calls back at each Ctrl-C until the answer is called. */
  onInterrupt(handler: () => void): () => void
}
