import { credentialHostOf } from '../../credentials/credential-host.ts'
import { AppError } from '../../shared/errors.ts'
import { gitHostOf } from '../../sources/git-host.ts'
import { type GitCredential, type GitSettings, trustedAuthorities } from '../../sources/run-git.ts'
import { askForge, knownForge, type NamedForge } from './find-forge.ts'
import type { Forge, ForgeKind, ForgePlace } from './forge.ts'
import { createForgeFetch, type ForgeFetch } from './forge-fetch.ts'
import { createGitea } from './gitea.ts'
import { createGitHub } from './github.ts'
import { createGitLab } from './gitlab.ts'
import { type Repository, repositoryOf } from './repository.ts'

const CREATE: Readonly<
  Record<ForgeKind, (repository: Repository, baseUrl: string, token: string, fetch: ForgeFetch) => Forge>
> = {
  github: createGitHub,
  gitlab: createGitLab,
  gitea: createGitea,
}
/** What a host that was asked is, is remembered so long. */
const KNOWN_MS = 10 * 60_000
const MAX_KNOWN = 500

/** How the services are reached, and which of them the operator told apart by name. */
export interface ForgeSettings {
  readonly git: GitSettings
  /** Services that the operator named. */
  readonly forges: readonly NamedForge[]
}

/** The way to the services: what kind one is is asked once in ten minutes a host, unless the operator said it. */
export interface Forges {
  /**
   * Calls `work` with the service that keeps a repository. Throws `forge_unknown`, `credential_missing`, and what `Forge`
   * and `work` throw.
   */
  use<T>(url: string, credential: GitCredential | null, work: (forge: Forge) => Promise<T>): Promise<T>
  /** Where a browser finds a branch, when the host is known without asking; null otherwise. */
  branchUrl(url: string, branch: string): string | null
}

/** Makes the way to the services of one process. */
export function createForges({ git, forges }: ForgeSettings): Forges {
  const asked = new Map<string, { readonly at: number; readonly place: ForgePlace }>()

  const fetchOf = (baseUrl: string, isOwn: boolean) =>
    createForgeFetch({
      origin: new URL(baseUrl).origin,
      addresses: isOwn ? 'configured' : 'public',
      trusted: trustedAuthorities(git.extraCaFile),
      resolve: git.resolve,
    })

  const placeOf = async (origin: string, host: string, isOwn: boolean): Promise<ForgePlace> => {
    const known = knownForge(host, forges)
    if (known !== null) return known
    const before = asked.get(host)
    if (before !== undefined && Date.now() - before.at < KNOWN_MS) return before.place
    const { fetch, close } = fetchOf(origin, isOwn)
    try {
      const place = await askForge(origin, host, fetch)
      if (asked.size >= MAX_KNOWN) asked.clear()
      asked.set(host, { at: Date.now(), place })
      return place
    } finally {
      await close()
    }
  }

  return {
    async use(url, credential, work) {
      const gitHost = gitHostOf(url, git.origins)
      const host = credentialHostOf(gitHost)
      const repository = repositoryOf(url, host)
      if (repository === null) throw new AppError('forge_unknown', `${url} names no owner and repository.`)
      const place = await placeOf(new URL(url).origin, host, gitHost.isNamed)
      if (credential === null) {
        const message = `A pull request needs a token for ${host}: store one, then publish again. The branch is pushed.`
        throw new AppError('credential_missing', message)
      }
      const isOwn = gitHost.isNamed || forges.some((forge) => forge.host === host)
      const { fetch, close } = fetchOf(place.baseUrl, isOwn)
      try {
        return await work(CREATE[place.kind](repository, place.baseUrl, credential.secret, fetch))
      } finally {
        await close()
      }
    },
    branchUrl(url, branch) {
      const host = credentialHostOf(gitHostOf(url, git.origins))
      const repository = repositoryOf(url, host)
      const place = asked.get(host)?.place ?? (isKnown(host) ? knownForge(host, forges) : null)
      if (repository === null || place === null) return null
      return CREATE[place.kind](repository, place.baseUrl, '', refuse).branchUrl(branch)
    },
  }

  function isKnown(host: string): boolean {
    try {
      return knownForge(host, forges) !== null
    } catch (error) {
      if (error instanceof AppError) return false
      throw error
    }
  }
}

const refuse: ForgeFetch = () => Promise.reject(new AppError('internal', 'nothing is asked for an address'))
