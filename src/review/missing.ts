import type { CheckResult } from '../shared/review.ts'

/** Something a check cannot run without, which is not there. */
export interface Missing {
  /** A sentence for a person. */
  readonly reason: string
  /** The dependency that was not found, by the name that the program used. */
  readonly dependency?: string
}

/** Exit codes of a shell that found no program to run. */
const NO_PROGRAM: ReadonlySet<number | null> = new Set([126, 127])
const PROGRAM_LINES = [
  /(?:^|\n)(?:\/\S+: |sh: |bash: )?(?:line )?(?:\d+: )?([\w@./+-]{1,80}): (?:command )?not found/,
  /(?:^|\n)[^\n]{0,80}\benv: ['‘]?([\w./+-]{1,80})['’]?: No such file/,
]
const DEPENDENCY_LINES = [
  /Cannot find (?:module|package) ['"]((?:@[\w.-]{1,100}\/)?[\w-][\w.-]{0,100})/,
  /No module named ['"]?(\w{1,100})/,
  /no required module provides package ([\w./-]{1,200})/,
  /module lookup disabled by GOPROXY=off|no matching package named `([\w-]{1,100})` found/,
  /cannot load such file -- ([\w/-]{1,100})/,
]
const NETWORK =
  /EAI_AGAIN|\bENOTFOUND\b|getaddrinfo|Could not resolve host|Temporary failure in name resolution|[Nn]etwork is unreachable|dial tcp:? |Unknown host|UnknownHostException|this sandbox has no way to/
/** Programs say what is missing at the beginning or the end; the output is at most 8,000 characters anyway. */
const MAX_CHARS = 8_000

/**
 * What a failed check had no chance without: a program, an installed dependency, the network; null when its output speaks
 * of none. A guess from text: whoever uses it asks as well whether it was the same before the change. Pure, linear.
 */
export function missingIn(result: CheckResult): Missing | null {
  if (result.status !== 'failed') return null
  const output = result.output.slice(0, MAX_CHARS)
  if (NO_PROGRAM.has(result.exitCode)) {
    const program = PROGRAM_LINES.map((line) => line.exec(output)?.[1]).find((name) => name !== undefined)
    return { reason: `${program === undefined ? 'a program that it needs' : program} is not installed in the sandbox` }
  }
  for (const line of DEPENDENCY_LINES) {
    const match = line.exec(output)
    if (match === null) continue
    const dependency = match[1]
    if (dependency === undefined) return { reason: 'its dependencies are not installed' }
    return { reason: `its dependency ${dependency} is not installed`, dependency }
  }
  return NETWORK.test(output) ? { reason: 'it needs the network' } : null
}
