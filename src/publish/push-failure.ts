import type { GitFailure } from '../egress/git-proxy.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import { describeFailure } from '../sources/clone-failure.ts'
import { printable } from './place.ts'

/** What is known of a fetch or a push that failed. */
export interface FailedGit {
  readonly output: string
  readonly failure: GitFailure | null
  /** The repository's host, as credentials name it. */
  readonly host: string
  readonly branch: string
  /** Whether it went to a fork of the token's owner. */
  readonly isFork: boolean
}

const NOT_OVERWRITTEN = 'Nothing was overwritten: sync the project, or publish to another branch.'

const NO_RIGHT =
  'The token for HOST may not write to this repository: it needs the right to write its contents (GitHub: Contents write, or the scope "repo"; GitLab: write_repository or api; Gitea: write:repository).'

/** What the services of this world say when they do not take a push: first match. `HOST` and `BRANCH` are put in. */
const REFUSALS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /refusing to allow .{0,80}(create or update|update) workflow|without .?workflows?.? (scope|permission)/i,
    'missing_scope',
    'The token for HOST may not change workflow files: it needs the scope "workflow" (or the permission Workflows: write). GitHub asks for it also when the branch merely contains such commits.',
  ],
  [
    /SAML SSO|single sign-on/i,
    'credential_refused',
    'HOST wants the stored token authorized for its organization’s single sign-on: do that in the token’s settings there, then publish again.',
  ],
  [
    /GH006|protected branch|branch \S+ is protected|changes must be made through a (pull|merge) request/i,
    'branch_protected',
    'BRANCH is protected at HOST: publish to another branch and open a pull request.',
  ],
  [
    /GH001|exceeds .{0,40}file size limit|file is larger than|large files? detected/i,
    'git_refused',
    'HOST refused the push: it holds a file that is larger than HOST takes.',
  ],
  [
    /push cannot contain secrets|push protection/i,
    'git_refused',
    'HOST refused the push: it found in it what looks like a secret. Have it taken out, then publish again.',
  ],
  [/HTTP 413|error: 413/, 'git_refused', 'HOST refused the push: it is larger than HOST, or a proxy before it, takes.'],
  [
    /GH007|private email/i,
    'git_refused',
    'HOST refused the push because of a private e-mail address: set KEELSON_GIT_AUTHOR_EMAIL to your no-reply address.',
  ],
  [
    /GH008|LFS objects? .{0,40}missing/i,
    'git_refused',
    'HOST refused the push: a file kept in Git LFS is missing there.',
  ],
  [
    /\((stale info|fetch first|non-fast-forward)\)|already exists|cannot lock ref/i,
    'branch_moved',
    `BRANCH changed while the push was under way. ${NOT_OVERWRITTEN}`,
  ],
  [
    /Write access to repository not granted|not allowed to push|Permission to .{0,200} denied|insufficient_scope/i,
    'missing_scope',
    NO_RIGHT,
  ],
  [/archived|read-only/i, 'git_refused', 'HOST refused the push: the repository is archived or read-only.'],
]

/** The way of people who may not write to a repository. */
const FROM_FORK =
  ' If its owner may not write there at all, publish from a fork ("fork": true, /publish fork pr, keelson publish --pr --fork).'

/** Whether a push was refused since the commits before it are missing there. Pure. */
export function isTooShallow(output: string): boolean {
  return /shallow update not allowed/.test(output)
}

/** A push that failed, as an error for the person who asked for it. Pure. */
export function pushFailure(failed: FailedGit): AppError {
  const { output, host, branch } = failed
  const found = REFUSALS.find(([pattern]) => pattern.test(output))
  if (found !== undefined) {
    const wayOut = found[2] === NO_RIGHT && !failed.isFork ? FROM_FORK : ''
    const sentence = found[2].replaceAll('HOST', host).replaceAll('BRANCH', branch)
    return new AppError(found[1], sentence + wayOut + remoteWords(output))
  }
  if (failed.failure?.kind === 'status' && failed.failure.status === 403) {
    const wayOut = failed.isFork ? '' : FROM_FORK
    return new AppError('missing_scope', NO_RIGHT.replaceAll('HOST', host) + wayOut + remoteWords(output))
  }
  const seen = networkFailure(failed)
  if (seen !== null) return seen
  const reason = /\[remote rejected\] \((.*)\)/.exec(output)?.[1]
  const because = reason === undefined ? '' : ` (${printable(reason)})`
  return new AppError('git_refused', `${host} refused the push${because}.${remoteWords(output)}`)
}

/** A fetch that failed. Pure. */
export function fetchFailure(failed: FailedGit): AppError {
  const { output, host } = failed
  if (/not our ref|unadvertised object|couldn't find remote ref|upload-pack: not/i.test(output)) {
    const message =
      'The commit that this project was made from is not in the repository any more. Sync the project first.'
    return new AppError('branch_moved', message)
  }
  const seen = networkFailure(failed)
  if (seen !== null) return seen
  const last = printable(output.trim().split('\n').at(-1) ?? '')
  return new AppError('git_refused', `${host} could not be read. ${last}`.trim())
}

/** What the way out saw; null when git says it better. */
function networkFailure({ failure, host }: FailedGit): AppError | null {
  if (failure === null) return null
  if (failure.kind === 'status' && [401, 403, 404].includes(failure.status) && !failure.isAuthorized) {
    const message = `${host} wants to know who asks: store a token for ${host} that may write to the repository (keelson credentials ${host}, or on the page under Credentials), then publish again.`
    return new AppError('credential_missing', message)
  }
  const isWait = failure.kind === 'status' && failure.status === 429
  const sentence = isWait ? `${host} asks to wait before it is asked again.` : describeFailure(failure, host)
  if (sentence === undefined) return null
  return new AppError(codeOf(failure), sentence)
}

function codeOf(failure: GitFailure): ErrorCode {
  if (failure.kind === 'unreachable') return 'git_unreachable'
  if (failure.kind !== 'status') return 'git_refused'
  if (failure.status === 429 || failure.status >= 500) return 'git_unreachable'
  if (!failure.isAuthorized) return 'credential_missing'
  return failure.status === 403 ? 'missing_scope' : 'credential_refused'
}

/** What the host said itself, cut to a few words: it knows its own rules best. */
function remoteWords(output: string): string {
  const words = [...output.matchAll(/^remote: *(.*?) *$/gm)]
    .map(([, line]) => line ?? '')
    .filter((line) => line !== '' && !/^[-=*# ]+$/.test(line))
    .join(' ')
  return words === '' ? '' : ` It said: ${printable(words)}`
}
