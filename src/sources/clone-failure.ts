import type { GitFailure } from '../egress/git-proxy.ts'
import { HOST_REFUSED } from './git-host.ts'

/** What is known of a clone that failed. */
export interface FailedClone {
  readonly status: string
  /** The end of what git printed. */
  readonly output: string
  /** The runner's own sentence when a limit ended it. */
  readonly reason?: string | undefined
  readonly ref?: string | undefined
  /** What the way out saw last, when it failed. */
  readonly failure: GitFailure | null
  /** The repository's host, as credentials name it. */
  readonly host: string
  readonly limitMinutes: number
}

const NO_ANSWER = 'The repository’s host does not answer, or it broke the transfer off.'
const UNTRUSTED =
  'The host’s certificate is not trusted here. If it comes from an authority of your own, name its file in KEELSON_EXTRA_CA_FILE.'

/** What a checkout says of a name that would be taken for git's own, or for a place outside. */
const NAME_REFUSED = /error: invalid path '(.*)'/

const SAID: readonly (readonly [RegExp, string])[] = [
  [/not our ref|unadvertised object/i, 'It changed while it was read. Try again.'],
  [/No space left on device/i, 'The disk under the workspaces is full.'],
  [/File size limit exceeded|File too large/i, 'The repository holds a file that is larger than a workspace takes.'],
  [
    /Out of memory|cannot allocate memory|fatal: mmap failed/i,
    'The repository takes more memory to unpack than a command may use.',
  ],
  [
    /error: 504|Empty reply|early EOF|unexpected EOF|unexpected disconnect|RPC failed|Connection (reset|timed out|refused)|recv error|Recv failure|hung up|Failed to connect/i,
    NO_ANSWER,
  ],
  [
    /not a valid object name|bad object|index-pack failed|fatal: pack|did not send all necessary objects|corrupt/i,
    'What the host sent is no whole repository.',
  ],
]

/** A failed fetch for a sync, as {@link describeFailedClone}. Pure. */
export function describeFailedFetch(clone: FailedClone): string {
  return describeFailedClone(clone).replace(/^(The repository (?:could not|cannot) be )cloned/, '$1fetched')
}

/** A failed clone in one sentence for the person who made the project. Never holds what a host sent word for word, except git's own last line. Pure. */
export function describeFailedClone(clone: FailedClone): string {
  const { output, reason, ref, status, failure } = clone
  if (failure?.kind === 'refused') return HOST_REFUSED
  if (status === 'timed_out') return `The repository could not be cloned within ${clone.limitMinutes} minutes.`
  if (reason !== undefined) return `The repository cannot be cloned. ${reason}`
  const limit = /^keelson:limit (.*)$/m.exec(output)?.[1]
  if (limit !== undefined) return `The repository cannot be cloned: ${limit}.`
  if (
    ref !== undefined &&
    /Remote branch .* not found|couldn't find remote ref|not our ref|unadvertised object/i.test(output)
  ) {
    return `There is no branch, tag or commit "${ref}" in the repository that its host gives out.`
  }
  const name = NAME_REFUSED.exec(output)?.[1]
  if (name !== undefined) {
    return `The repository cannot be cloned: it holds the name ${plain(name)}, which git checks out nowhere.`
  }
  const seen = failure === null ? undefined : describeFailure(failure, clone.host)
  if (seen !== undefined) return `The repository could not be cloned. ${seen}`
  const known = SAID.find(([pattern]) => pattern.test(output))
  if (known) return `The repository could not be cloned. ${known[1]}`
  const last = plain(output.trim().split('\n').at(-1) ?? '')
  return `The repository could not be cloned. ${last}`.trim()
}

function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300)
}

/** What a host did to a request of ours, for the person who has a credential or needs one; undefined when git says it better. */
export function describeFailure(failure: GitFailure, host: string): string | undefined {
  switch (failure.kind) {
    case 'refused':
      return HOST_REFUSED
    case 'unreachable':
      return NO_ANSWER
    case 'certificate':
      return UNTRUSTED
    case 'moved':
      return `It has moved to ${failure.to}: name its new address. Nothing was sent there.`
    case 'status':
      return describeStatus(failure.status, failure.isAuthorized, host)
  }
}

function describeStatus(status: number, isAuthorized: boolean, host: string): string | undefined {
  if (status === 504) return NO_ANSWER
  if (![401, 403, 404, 410].includes(status))
    return status >= 500 ? `${host} answered with an error (${status}).` : undefined
  if (!isAuthorized) {
    const unknown = 'There is no such repository, or this service has no access to it.'
    return status === 401 || status === 403 ? `${unknown} For a private one, store a token for ${host}.` : unknown
  }
  if (status === 401) {
    return `${host} refused the stored token: it is wrong, expired or revoked. Delete it and store a new one for ${host}.`
  }
  if (status === 403) {
    return `${host} knows the stored token but gives it no right to read this repository; it needs a scope that does.`
  }
  return `There is no such repository, or the stored token for ${host} has no access to it.`
}
