import { isIP } from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'
import { type AddressRule, addressOf } from '../../egress/addresses.ts'
import { type Resolve, resolveBySystem } from '../../egress/resolve.ts'
import { AppError } from '../../shared/errors.ts'
import { limitTime } from '../../shared/time-limit.ts'

const TIMEOUT_MS = 30_000
/** A hundred pull requests with the longest text each stay below it; who keeps a host chooses what it answers. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Where one service’s requests may go, and whom they trust. */
export interface ForgeFetchOptions {
  /** The one origin that may be asked, such as `https://api.github.com`. */
  readonly origin: string
  readonly addresses: AddressRule
  /** Certificate authorities in PEM. */
  readonly trusted: readonly string[]
  readonly resolve?: Resolve | undefined
}

/** As much of a request as the clients of the services make: the body is text, there are no streams. */
export interface ForgeRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

/** As much of `fetch` as the clients of the services need; redirects are answers like others. */
export type ForgeFetch = (url: string, init?: ForgeRequest) => Promise<Response>

/**
 * A `fetch` for one service: its name is resolved here and the address that was checked is the one that is dialled, at most
 * 30 seconds and 16 MiB an answer. Throws `forge_unreachable`, and `forge_refused` for another origin and a longer answer.
 * `close` ends its connections.
 */
export function createForgeFetch(options: ForgeFetchOptions): { fetch: ForgeFetch; close(): Promise<void> } {
  const resolve = options.resolve ?? resolveBySystem
  const host = new URL(options.origin).hostname.replace(/^\[|\]$/g, '')
  const agent = new Agent({
    connect: {
      ca: [...options.trusted],
      timeout: 10_000,
      lookup: (name, { all }, done) => {
        const look = async (): Promise<void> => {
          const address = await addressOf(name, options.addresses, resolve)
          if (address === null) done(new Error('the host cannot be used'), '', 4)
          else if (all) done(null, [{ address, family: isIP(address) }])
          else done(null, address, isIP(address))
        }
        // It only fails where `done` does, and nobody is left to be told then.
        void look()
      },
    },
  })
  const fetch: ForgeFetch = async (url, init = {}) => {
    if (new URL(url).origin !== options.origin) {
      throw new AppError('forge_refused', `Only ${options.origin} is asked for pull requests.`)
    }
    const limit = limitTime(TIMEOUT_MS, ...(init.signal ? [init.signal] : []))
    try {
      const answer = await undiciFetch(url, {
        method: init.method ?? 'GET',
        headers: { ...init.headers },
        ...(init.body === undefined ? {} : { body: init.body }),
        redirect: 'manual',
        dispatcher: agent,
        signal: limit.signal,
      })
      const { status } = answer
      const hasBody = status !== 204 && status !== 304 && answer.body !== null
      return new Response(hasBody ? await wholeOf(answer.body, host) : null, {
        status,
        headers: [...answer.headers.entries()],
      })
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw new AppError('forge_unreachable', `${host} does not answer.`, { cause })
    } finally {
      limit.release()
    }
  }
  return { fetch, close: () => agent.close() }
}

async function wholeOf(body: AsyncIterable<Uint8Array>, host: string): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > MAX_ANSWER_BYTES) {
      const most = MAX_ANSWER_BYTES / (1024 * 1024)
      throw new AppError('forge_refused', `${host} answered with more than ${most} MiB, which no pull request has.`)
    }
    pieces.push(piece)
  }
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
