/** What was looked at and how it is. */
export interface Diagnosis {
  /** One or two words: `bwrap`, `sandbox network`. */
  readonly name: string
  /** `ok`; `warn`: it works with less, or will be got at the next start; `fail`: something that matters is missing. */
  readonly state: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What a person types or does; absent where nothing is to be done. */
  readonly fix?: string
}

/** All is well. */
export function ok(name: string, detail: string): Diagnosis {
  return { name, state: 'ok', detail }
}

/** Something to know, with the way to change it. */
export function warn(name: string, detail: string, fix: string): Diagnosis {
  return { name, state: 'warn', detail, fix }
}

/** Something that matters is missing. */
export function fail(name: string, detail: string, fix: string): Diagnosis {
  return { name, state: 'fail', detail, fix }
}

/** An error in one line of at most 300 characters. */
export function lineOf(error: unknown): string {
  const text = error instanceof Error ? messageOf(error) : String(error)
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)
}

/** `fetch` hides what happened behind "fetch failed", and a connection to several addresses behind nothing at all. */
function messageOf(error: Error): string {
  if (error.cause instanceof Error) return messageOf(error.cause)
  if (error instanceof AggregateError && error.errors.length > 0) return lineOf(error.errors[0])
  return error.message === '' ? error.name : error.message
}
