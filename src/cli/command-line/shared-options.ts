import type { OptionTable } from '../grammar/parse-words.ts'
import { UsageError } from '../usage-error.ts'

/** For programs. */
export const JSON_OPTION = {
  json: { type: 'boolean', what: 'the answer as JSON on standard output' },
} as const satisfies OptionTable

/** Which project. */
export const PROJECT_OPTION = {
  project: { type: 'string', value: 'ID|NAME', what: 'of this project alone' },
} as const satisfies OptionTable

/** Throws {@link UsageError} when more words were typed than a command takes. */
export function atMost(positionals: readonly string[], count: number): void {
  const first = positionals[count]
  if (first !== undefined) throw new UsageError(`"${first}" is one word too many.`)
}
