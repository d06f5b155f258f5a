import { AppError } from '../../shared/errors.ts'
import { printable } from '../place.ts'
import type { ForgeAnswer, ForgeKind } from './forge.ts'
import type { Repository } from './repository.ts'

const NEEDED: Readonly<Record<ForgeKind, string>> = {
  github: 'the permissions "Pull requests: write" and "Contents: write" (or the scope "repo")',
  gitlab: 'the scope "api" and at least the role Developer',
  gitea: 'the scope "write:repository"',
}
const MAX_WAIT_MS = 10 * 60_000

/** An answer that is no success, as an error for the person who asked for the pull request. Pure but for the clock. */
export function forgeFailure(kind: ForgeKind, host: string, answer: ForgeAnswer): AppError {
  const { status, headers } = answer
  const words = answer.message === '' ? '' : ` It said: ${printable(answer.message)}`
  const waitMs = waitOf(answer)
  if (waitMs !== null) {
    return new AppError('forge_unreachable', `${host} asks to wait before it is asked again.${words}`, {
      retryAfterMs: waitMs,
    })
  }
  if (status === 401) {
    const message = `${host} refused the stored token: it is wrong, expired or revoked. Delete it and store a new one for ${host}.`
    return new AppError('credential_refused', message + words)
  }
  if (headers['x-github-sso'] !== undefined || /\bSAML\b/.test(answer.message)) {
    const message = `${host} wants the stored token authorized for its organization’s single sign-on: do that in the token’s settings there, then publish again.`
    return new AppError('credential_refused', message + words)
  }
  if (status === 403 || status === 404) {
    const named =
      scopeIn(answer.message) ?? headers['x-accepted-github-permissions'] ?? headers['x-accepted-oauth-scopes']
    const scope = named === undefined || named === '' ? NEEDED[kind] : `"${printable(named)}", that is ${NEEDED[kind]}`
    return new AppError(
      'missing_scope',
      `The token for ${host} may not open pull requests here: it needs ${scope}.${words}`,
    )
  }
  if (status >= 300 && status < 400) {
    return new AppError('forge_refused', `The repository has moved at ${host}: name its new address.`)
  }
  if (status >= 500) return new AppError('forge_unreachable', `${host} answered with an error (${status}).${words}`)
  return new AppError('forge_refused', `${host} refused the pull request (${status}).${words}`)
}

const FORKS: Readonly<Record<ForgeKind, string>> = {
  github: 'the scope "public_repo" or "repo" (fine-grained tokens cannot fork what others own)',
  gitlab: 'the scope "api"',
  gitea: 'the scope "write:repository"',
}

/** Why there is no fork, as an error for the person who wants to publish from one. Pure but for the clock. */
export function forkFailure(
  kind: ForgeKind,
  { host, url }: Pick<Repository, 'host' | 'url'>,
  answer: ForgeAnswer,
): AppError {
  const { status } = answer
  const words = answer.message === '' ? '' : ` It said: ${printable(answer.message)}`
  const byHand = `fork ${url} on its page yourself, then publish again`
  if (waitOf(answer) === null && (status === 403 || status === 404)) {
    const message = `The token for ${host} may not fork this repository: it needs ${FORKS[kind]}, or ${byHand}.`
    return new AppError('missing_scope', message + words)
  }
  if (status === 409 || status === 422) {
    const message = `${host} makes no fork, since something else has its name, or forks are not allowed there: ${byHand}.`
    return new AppError('forge_refused', message + words)
  }
  return forgeFailure(kind, host, answer)
}

/** Gitea names the scope in its message. */
function scopeIn(message: string): string | undefined {
  return /required scope\(?s?\)?[^[]*\[([^\]]+)\]/i.exec(message)?.[1]
}

/** How long a service asks to wait, in milliseconds; null: it does not. */
function waitOf({ status, headers, message }: ForgeAnswer): number | null {
  if (status !== 429 && status !== 403) return null
  const after = Number(headers['retry-after'])
  if (headers['retry-after'] !== undefined && Number.isFinite(after)) return Math.min(after * 1_000, MAX_WAIT_MS)
  if (headers['x-ratelimit-remaining'] === '0') {
    const resetMs = Number(headers['x-ratelimit-reset'] ?? 0) * 1_000 - Date.now()
    return Math.min(Math.max(resetMs, 1_000), MAX_WAIT_MS)
  }
  return status === 429 || /rate limit/i.test(message) ? 60_000 : null
}
