import { HOST_REFUSED } from './git-host.ts'

/** What is known of a clone that failed. */
export interface FailedClone {
  readonly status: string
  /** The end of what git printed. */
  readonly output: string
  /** The runner's own sentence when a limit ended it. */
  readonly reason?: string | undefined
  readonly ref?: string | undefined
  /** Whether the proxy refused the host, and whether the host did not answer it. */
  readonly isRefused: boolean
  readonly limitMinutes: number
}

const SAID: readonly (readonly [RegExp, string])[] = [
  [
    /repository .* not found|error: 40[134]|HTTP 40[134]|could not read (Username|Password)|Authentication failed|terminal prompts disabled|Access denied/i,
    'There is no such repository, or this service has no access to it.',
  ],
  [
    /SSL certificate problem|certificate verif|server certificate|self[- ]signed|unable to get local issuer|SSL: no alternative certificate|does not match target host/i,
    'The host’s certificate is not trusted here. If it comes from an authority of your own, name its file in KEELSON_EXTRA_CA_FILE.',
  ],
  [/No space left on device/i, 'The disk under the workspaces is full.'],
  [/File size limit exceeded|File too large/i, 'The repository holds a file that is larger than a workspace takes.'],
  [
    /Out of memory|cannot allocate memory|fatal: mmap failed/i,
    'The repository takes more memory to unpack than a command may use.',
  ],
  [
    /response 504|does not answer|Operation too slow|Empty reply|early EOF|unexpected EOF|unexpected disconnect|RPC failed|Connection (reset|timed out|refused)|recv error|Recv failure|SSL_ERROR|unexpected eof|hung up|TLS connection was non-properly terminated|SSL_connect|Failed to connect/i,
    'The repository’s host does not answer, or it broke the transfer off.',
  ],
  [
    /not a valid object name|bad object|index-pack failed|fatal: pack|did not send all necessary objects|corrupt/i,
    'What the host sent is no whole repository.',
  ],
]

/** A failed clone in one sentence for the person who made the project. Never holds what a host sent word for word, except git's own last line. Pure. */
export function describeFailedClone(clone: FailedClone): string {
  const { output, reason, ref, status } = clone
  if (clone.isRefused) return HOST_REFUSED
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
  const known = SAID.find(([pattern]) => pattern.test(output))
  if (known) return `The repository could not be cloned. ${known[1]}`
  const last =
    output
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 300) ?? ''
  return `The repository could not be cloned. ${last}`.trim()
}
