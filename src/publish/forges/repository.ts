import { AppError } from '../../shared/errors.ts'
import type { Fork } from './forge.ts'

/** A repository as its service names it. */
export interface Repository {
  /** As credentials name it. */
  readonly host: string
  /** Its page, without `.git`. */
  readonly url: string
  /** `group/subgroup` at GitLab. */
  readonly owner: string
  readonly name: string
}

/** Reads the address of a repository; null when it has no owner and name. Pure. */
export function repositoryOf(url: string, host: string): Repository | null {
  const { origin, pathname } = new URL(url)
  const parts = pathname
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .split('/')
    .filter((part) => part !== '')
  const name = parts.at(-1)
  if (name === undefined || parts.length < 2) return null
  return {
    host,
    url: `${origin}/${parts.join('/')}`,
    owner: parts.slice(0, -1).map(decodeURIComponent).join('/'),
    name: decodeURIComponent(name),
  }
}

const NAMED = /^[\w.-]+(\/[\w.-]+)+$/

/**
 * A fork as its service names it (`owner/name`). Throws `forge_refused` when it is the repository itself, since nobody forks
 * what is their own already, and for a name that is none. Pure.
 */
export function forkIn(fullName: string, { owner, name, host }: Repository): Fork {
  const parts = fullName.split('/')
  const isDots = parts.some((part) => /^\.*$/.test(part))
  if (!NAMED.test(fullName) || isDots) throw new AppError('forge_refused', `${host} names no fork that can be used.`)
  if (fullName.toLowerCase() === `${owner}/${name}`.toLowerCase()) {
    const message = `${fullName} belongs to the token’s owner already: publish without a fork.`
    throw new AppError('forge_refused', message)
  }
  return { owner: parts.slice(0, -1).join('/'), name: parts.at(-1) ?? '' }
}

/** The address by which git reaches a fork: at the host of the repository and nowhere else, whatever was told. Pure. */
export function forkUrl(sourceUrl: string, { owner, name }: Fork): string {
  return `${new URL(sourceUrl).origin}/${owner}/${name}.git`
}
