import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { limitTime } from '../shared/time-limit.ts'

const CALL_TIMEOUT_MS = 15_000
const TRANSFER_TIMEOUT_MS = 600_000
const HEADERS_TIMEOUT_MS = 15_000
/** How long the server may be away before the client gives up: longer than a restart of everything takes. */
export const PATIENCE_MS = 60_000

/** The server cannot be asked, or refused; the message is for a person. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(message: string, status: number, code: string, cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.code = code
  }

  /** Whether the same call may succeed a little later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503
  }
}

/** Where the running instance is. */
export interface InstanceAddress {
  readonly url: string
  readonly apiToken: string
}

/** The calls of one instance, signed with its token; where it is its state file says before each. */
export interface Api {
  /** Where the instance is and its token. Throws {@link ApiError} when nothing runs. */
  instance(): Promise<InstanceAddress>
  /** One JSON call, given 15 seconds unless it says otherwise. Throws {@link ApiError}. */
  call<T>(method: string, path: string, body?: object, timeoutMs?: number): Promise<T>
  /** The same, tried again while the server is away, at most a minute. Only for calls that may be repeated. */
  insist<T>(method: string, path: string, body?: object): Promise<T>
  /** Replaces what is at `path`, given that it is still at `version`. Throws {@link ApiError}, `version_conflict` when it is not. */
  save<T>(path: string, version: number, body: object): Promise<T>
  /** Sends bytes as they come, at most ten minutes. Throws {@link ApiError}. */
  upload(method: string, path: string, body: Readable): Promise<void>
  /** Reads an answer that is no JSON as it is. Throws {@link ApiError}. */
  download(path: string): Promise<Uint8Array>
  /** Opens a stream. Throws {@link ApiError}. */
  open(method: string, path: string, signal: AbortSignal, body?: object): Promise<Response>
}

/**
 * Talks to the instance whose `state.json` lies in `home`; the file is read at each call, since a restart rewrites it.
 * `howToStart` is what a person types when there is none.
 */
export function createApi(home: string, { howToStart }: { readonly howToStart: string }): Api {
  const instance = () => readState(home, howToStart)
  const request = async (
    method: string,
    path: string,
    init: { accept: string; signal: AbortSignal; body?: object; bytes?: Readable; version?: number },
  ) => {
    const state = await instance()
    const { accept, signal, body, bytes, version } = init
    const headers = {
      accept,
      authorization: `Bearer ${state.apiToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
    }
    let response: Response
    try {
      const content =
        bytes !== undefined
          ? { body: Readable.toWeb(bytes) as ReadableStream<Uint8Array>, duplex: 'half' as const }
          : body === undefined
            ? {}
            : { body: JSON.stringify(body) }
      response = await fetch(new URL(path, state.url), { method, headers, signal, ...content })
    } catch (error) {
      throw new ApiError(`The server at ${state.url} does not answer.`, 0, 'unreachable', error)
    }
    if (!response.ok) throw await toApiError(response)
    return response
  }

  const callAt = async <T>(
    method: string,
    path: string,
    { timeoutMs, ...sent }: { timeoutMs: number; body?: object; version?: number },
  ): Promise<T> => {
    const limit = limitTime(timeoutMs)
    try {
      const { signal } = limit
      const response = await request(method, path, { accept: 'application/json', signal, ...sent })
      return (response.status === 204 ? undefined : await response.json()) as T
    } finally {
      limit.release()
    }
  }

  const call = <T>(method: string, path: string, body?: object, timeoutMs = CALL_TIMEOUT_MS): Promise<T> =>
    callAt<T>(method, path, { timeoutMs, ...(body && { body }) })

  return {
    instance,
    call,
    save: (path, version, body) => callAt('PUT', path, { timeoutMs: CALL_TIMEOUT_MS, version, body }),
    insist: (method, path, body) => insist(() => call(method, path, body)),
    upload: async (method, path, bytes) => {
      const limit = limitTime(TRANSFER_TIMEOUT_MS)
      try {
        const response = await request(method, path, { accept: 'application/json', signal: limit.signal, bytes })
        await response.arrayBuffer()
      } finally {
        limit.release()
      }
    },
    download: async (path) => {
      const limit = limitTime(TRANSFER_TIMEOUT_MS)
      try {
        const response = await request('GET', path, { accept: '*/*', signal: limit.signal })
        return new Uint8Array(await response.arrayBuffer())
      } finally {
        limit.release()
      }
    },
    open: async (method, path, signal, body) => {
      const limit = limitTime(HEADERS_TIMEOUT_MS, signal)
      try {
        return await request(method, path, { accept: 'text/event-stream', signal: limit.signal, ...(body && { body }) })
      } finally {
        // The caller's signal still ends the stream that follows.
        limit.lift()
      }
    },
  }
}

/** Tries again while `work` fails in passing, with growing pauses, at most `PATIENCE_MS` in all. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await work()
    } catch (error) {
      const mayPass = error instanceof ApiError && error.isPassing
      if (!mayPass || Date.now() + pauseMs > deadline) throw error
      await delay(pauseMs)
    }
  }
}

async function readState(home: string, howToStart: string): Promise<InstanceAddress> {
  try {
    return JSON.parse(await readFile(join(home, 'state.json'), 'utf8')) as InstanceAddress
  } catch (error) {
    throw new ApiError(`Nothing runs here (${home}): start it with ${howToStart}.`, -1, 'not_running', error)
  }
}

async function toApiError(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    return new ApiError(error.message, response.status, error.code)
  } catch (cause) {
    return new ApiError(`The server answered with status ${response.status}.`, response.status, 'unknown', cause)
  }
}
