/** What the stand-ins for the services have in common: they hold pull requests and answer as the real ones do. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { HostApi } from '../git-host.ts'

export interface StoodPull {
  readonly number: number
  readonly head: string
  /** Whose branch it is, as `owner/name`; left out: the repository's own. */
  readonly from?: string
  readonly base: string
  draft: boolean
  title: string
  body: string
  state: 'open' | 'closed'
}

/** The fork that the token's owner has, or will have. */
export interface StoodForks {
  /** `someone/NAME`; null while there is none. */
  own: string | null
  /** How often one was made. */
  made: number
  /** Makes its repository, `someone/project`. */
  make(): void
}

export interface ForgeStandIn {
  readonly api: HostApi
  readonly pulls: StoodPull[]
  readonly forks: StoodForks
  /** Names of branches that are protected. */
  readonly protectedBranches: Set<string>
  /** Names of protected branches to which the token's owner may push all the same. */
  readonly openTo: Set<string>
  /** Requests that the real service would not have taken, as sentences. */
  readonly violations: string[]
  /** The fields that each change of a pull request named. */
  readonly edits: string[][]
  /** `METHOD /path` of each request. */
  readonly requests: string[]
  /** Answers the next request of this kind with something else. */
  refuseNext(method: string, refusal: { status: number; body: object; headers?: Record<string, string> }): void
  /** Does what the next request of this kind asks for, and answers as if it had failed. */
  loseNext(method: string): void
  /** The next one that asks for a branch's pull request is told that there is none, as a list that lags behind does. */
  hideNext(): void
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
}

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Record<string, string>
}

export interface StandInState {
  readonly pulls: StoodPull[]
  readonly forks: StoodForks
  readonly protectedBranches: Set<string>
  readonly openTo: Set<string>
  readonly violations: string[]
  readonly edits: string[][]
  isHidden(): boolean
}

/** Makes a stand-in out of what one service answers below `prefix`. */
export function aStandIn(prefix: string, respond: (asked: Asked, state: StandInState) => Answer): ForgeStandIn {
  const refusals: { method: string; answer: Answer }[] = []
  const requests: string[] = []
  const lost: string[] = []
  let hidden = 0
  const state: StandInState = {
    pulls: [],
    forks: { own: null, made: 0, make: () => undefined },
    protectedBranches: new Set(),
    openTo: new Set(),
    violations: [],
    edits: [],
    isHidden: () => hidden > 0 && hidden-- > 0,
  }
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'https://localhost')
    const method = request.method ?? 'GET'
    const sent = await text(request)
    const body = sent === '' ? {} : (JSON.parse(sent) as Record<string, unknown>)
    requests.push(`${method} ${url.pathname}`)
    const at = refusals.findIndex((refusal) => refusal.method === method && url.pathname.startsWith(prefix))
    const asked = {
      method,
      path: url.pathname.slice(prefix.length),
      query: url.searchParams,
      headers: request.headers,
      body,
    }
    const answer: Answer =
      at >= 0
        ? (refusals.splice(at, 1)[0]?.answer ?? { status: 500, body: {} })
        : url.pathname.startsWith(prefix)
          ? respond(asked, state)
          : { status: 404, body: 'not found' }
    const isLost = lost.indexOf(method) >= 0 && at < 0 && url.pathname.startsWith(prefix)
    if (isLost) lost.splice(lost.indexOf(method), 1)
    const { status, body: told, headers } = isLost ? { status: 502, body: 'bad gateway', headers: {} } : answer
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(told))
  }
  return {
    api: (request, response) => {
      serve(request, response).catch(() => response.destroy())
    },
    pulls: state.pulls,
    forks: state.forks,
    protectedBranches: state.protectedBranches,
    openTo: state.openTo,
    violations: state.violations,
    edits: state.edits,
    requests,
    refuseNext: (method, { status, body, headers }) =>
      void refusals.push({ method, answer: { status, body, ...(headers && { headers }) } }),
    loseNext: (method) => void lost.push(method),
    hideNext: () => {
      hidden += 1
    },
  }
}

export function openPullOf(state: StandInState, head: string, from?: string): StoodPull | undefined {
  return state.pulls.find((pull) => pull.head === head && pull.from === from && pull.state === 'open')
}

/** Changes what the request names; `draftMark` is what makes a draft at the beginning of a title. */
export function changePull(
  state: StandInState,
  pull: StoodPull,
  asked: Asked['body'],
  { text, draftMark }: { text: string; draftMark?: RegExp },
): void {
  state.edits.push(Object.keys(asked).sort())
  if (typeof asked['title'] === 'string') pull.title = asked['title']
  if (typeof asked[text] === 'string') pull.body = asked[text]
  if (draftMark !== undefined) pull.draft = draftMark.test(pull.title)
}

/** The owner's fork; a new one when there is none. */
export function forkOf({ forks }: StandInState): string {
  if (forks.own === null) {
    forks.own = 'someone/project'
    forks.made += 1
    forks.make()
  }
  return forks.own
}

/** A branch as it is asked for, `someone:topic`, and whose it is. */
export function headIn(asked: string): { head: string; from?: string } {
  const [head = '', owner] = asked.split(':').reverse()
  return owner === undefined || owner.split('/')[0] === 'team' ? { head } : { head, from: 'someone/project' }
}
