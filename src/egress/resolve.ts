import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** All addresses of a name; a function so that tests can be a resolver that changes its mind. */
export type Resolve = (host: string) => Promise<readonly string[]>

/** How long a name is asked for, in milliseconds. */
export interface PatientResolveOptions {
  /** The longest that one answer is waited for. */
  readonly tryTimeoutMs: number
  /** How long to wait before each further question; as many further questions as there are entries. */
  readonly pausesMs: readonly number[]
}

const SYSTEM: PatientResolveOptions = { tryTimeoutMs: 4_000, pausesMs: [50, 300] }
/** A resolver that is silent is asked once more and not again: whoever waits has little time. */
const MAX_SILENT = 2

class SilentResolver extends Error {}

/**
 * A resolver that asks again when an answer only says that there is none just now (`EAI_AGAIN`, a server's failure, silence);
 * that there is no such name is said at once. Who asks for a name that is being asked for shares that question. Rejects with
 * the last fault.
 */
export function resolvePatiently(ask: Resolve, { tryTimeoutMs, pausesMs }: PatientResolveOptions): Resolve {
  const asked = new Map<string, Promise<readonly string[]>>()

  const inTime = async (host: string): Promise<readonly string[]> => {
    const timer = new AbortController()
    const late = sleep(tryTimeoutMs, undefined, { signal: timer.signal }).then(() => {
      throw new SilentResolver('the resolver does not answer')
    })
    // Rejects when the answer came first; nobody waits for it then.
    late.catch(() => undefined)
    try {
      return await Promise.race([ask(host), late])
    } finally {
      timer.abort()
    }
  }

  const untilAnswered = async (host: string): Promise<readonly string[]> => {
    let silent = 0
    for (const pauseMs of pausesMs) {
      try {
        return await inTime(host)
      } catch (error) {
        if (isFinal(error)) throw error
        if (error instanceof SilentResolver && ++silent === MAX_SILENT) throw error
      }
      await sleep(pauseMs)
    }
    return await inTime(host)
  }

  return async (host) => {
    const known = asked.get(host)
    if (known !== undefined) return await known
    const fresh = untilAnswered(host).finally(() => asked.delete(host))
    asked.set(host, fresh)
    return await fresh
  }
}

/** Whether the answer was that there is no such name. `ENODATA`: the name has no address. */
function isFinal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')
}

/** The operating system's resolver, nine seconds at most. Throws when there is no such name or no answer. */
export const resolveBySystem: Resolve = resolvePatiently(async (host) => {
  const found = await lookup(host, { all: true, verbatim: false })
  return found.map((entry) => entry.address)
}, SYSTEM)

/**
 * Lets at most `max` questions of one asker be under way, the others wait for their turn: a name whose server is slow holds a
 * thread of the process, and the process serves many.
 */
export function limitResolve(resolve: Resolve, max: number): Resolve {
  let free = max
  const waiting: (() => void)[] = []
  return async (host) => {
    if (free > 0) free -= 1
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await resolve(host)
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
