import { AppError } from '../../shared/errors.ts'
import type { ForgePlace } from './forge.ts'
import type { ForgeFetch } from './forge-fetch.ts'

/** A service that the operator named, by the host of its repositories. */
export interface NamedForge extends ForgePlace {
  /** With a port when it is not 443. */
  readonly host: string
}

/**
 * The service at a host, as far as its name or the operator says; null: it must be asked. Throws `forge_unknown` for a
 * host that is known to be none of them. Pure.
 */
export function knownForge(host: string, named: readonly NamedForge[]): ForgePlace | null {
  const own = named.find((forge) => forge.host === host)
  if (own !== undefined) return { kind: own.kind, baseUrl: own.baseUrl }
  if (host === 'github.com') return { kind: 'github', baseUrl: 'https://api.github.com' }
  if (host.endsWith('.ghe.com')) return { kind: 'github', baseUrl: `https://api.${host}` }
  if (host === 'gitlab.com') return { kind: 'gitlab', baseUrl: 'https://gitlab.com/api/v4' }
  if (host === 'codeberg.org' || host === 'gitea.com') return { kind: 'gitea', baseUrl: `https://${host}/api/v1` }
  if (/(^|\.)(bitbucket\.org|dev\.azure\.com|sr\.ht)$/.test(host)) throw unknownForge(host)
  return null
}

/**
 * Asks a host what it is, without any token: Gitea and Forgejo give their version to anybody, GitLab and GitHub Enterprise
 * are known by their answers' form. Throws `forge_unknown` with the way out, `forge_unreachable`.
 */
export async function askForge(origin: string, host: string, fetch: ForgeFetch): Promise<ForgePlace> {
  const gitea = await ask(fetch, `${origin}/api/v1/version`)
  if (gitea.status === 200 && typeof gitea.body['version'] === 'string') {
    return { kind: 'gitea', baseUrl: `${origin}/api/v1` }
  }
  const gitlab = await ask(fetch, `${origin}/api/v4/version`)
  if (gitlab.isGitLab || (gitlab.status === 401 && typeof gitlab.body['message'] === 'string')) {
    return { kind: 'gitlab', baseUrl: `${origin}/api/v4` }
  }
  const github = await ask(fetch, `${origin}/api/v3/meta`)
  if (github.isGitHub || (github.status === 200 && typeof github.body['installed_version'] === 'string')) {
    return { kind: 'github', baseUrl: `${origin}/api/v3` }
  }
  throw unknownForge(host)
}

interface Asked {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly isGitLab: boolean
  readonly isGitHub: boolean
}

async function ask(fetch: ForgeFetch, url: string): Promise<Asked> {
  const answer = await fetch(url, { headers: { accept: 'application/json', 'user-agent': 'keelson' } })
  const text = await answer.text()
  return {
    status: answer.status,
    body: objectIn(text),
    isGitLab: answer.headers.has('x-gitlab-meta'),
    isGitHub: answer.headers.has('x-github-enterprise-version') || answer.headers.has('x-github-request-id'),
  }
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // A page for people: not what was looked for.
    return {}
  }
}

function unknownForge(host: string): AppError {
  const message = `Nobody knows how to open a pull request at ${host}: it is neither GitHub, GitLab, Gitea nor Forgejo as far as one can tell. The branch is pushed; open it there, or name the service in KEELSON_FORGES (such as ${host}=gitlab).`
  return new AppError('forge_unknown', message)
}
