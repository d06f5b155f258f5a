import type { Publication } from '../db/task/publications.ts'
import { AppError } from '../shared/errors.ts'
import type { Fork } from './forges/forge.ts'
import { forkUrl } from './forges/repository.ts'
import type { RemoteRefs } from './remote-refs.ts'

/** Where a publication's branch is pushed to. */
export interface PublishTarget {
  readonly url: string
  /** null: the repository itself. */
  readonly fork: Fork | null
}

/**
 * Where a publication goes: the repository that its project was made of, or the fork that was recorded. Throws `internal`
 * when a fork is wanted and none was recorded. Pure.
 */
export function targetOf(publication: Pick<Publication, 'wantsFork' | 'fork'>, sourceUrl: string): PublishTarget {
  const { wantsFork, fork: recorded } = publication
  if (!wantsFork) return { url: sourceUrl, fork: null }
  const parts = recorded?.split('/') ?? []
  const name = parts.pop()
  if (name === undefined) throw new AppError('internal', 'a publication went on before its fork was found')
  const fork = { owner: parts.join('/'), name }
  return { url: forkUrl(sourceUrl, fork), fork }
}

/** Throws `forge_unreachable` (retried) while a new fork has none of its repository's branches. Pure. */
export function requireFilled({ fork }: PublishTarget, refs: RemoteRefs, upstream: RemoteRefs): void {
  if (fork !== null && refs.head === null && upstream.head !== null) throw forkNotReady(fork)
}

/** Services make a fork some seconds after they said that there is one. */
export function forkNotReady({ owner, name }: Fork): AppError {
  const message = `The fork ${owner}/${name} cannot be read yet: it is made there, or it was removed. Publish again in a minute.`
  return new AppError('forge_unreachable', message, { retryAfterMs: 5_000 })
}
