import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Forge, PullRequest, PullRequestWish } from './forges/forge.ts'
import { withOurPart } from './pull-request-text.ts'

/**
 * Opens the pull request of a branch, or brings the one that is open up to date: its title only when a person named one, and
 * of its text only what is ours. A draft stays one, and what a person took for ready stays ready. Looked up first, always, since an earlier attempt may have opened it without hearing so.
 * Throws as `Forge` does. Safe to repeat.
 */
export async function openOrUpdate(
  forge: Forge,
  wish: PullRequestWish & { readonly isTitleNamed: boolean },
): Promise<PullRequest> {
  const found = await forge.findOpen(wish)
  if (found !== null) return await bringUpToDate(forge, found, wish)
  hitCrashPoint('publish.before_open')
  const { head, fork, base, title, body, draft } = wish
  const made = await forge.create({ head, fork, base, title, body, draft })
  hitCrashPoint('publish.opened.before_record')
  if (made !== null) return made
  const other = await forge.findOpen(wish)
  if (other !== null) return await bringUpToDate(forge, other, wish)
  // Lists lag behind by a second or so.
  throw new AppError('forge_unreachable', 'There is a pull request for this branch already, but it is not listed yet.')
}

async function bringUpToDate(
  forge: Forge,
  found: PullRequest,
  wish: PullRequestWish & { readonly isTitleNamed: boolean },
): Promise<PullRequest> {
  const title = wish.isTitleNamed ? titleOf(found, wish.title) : found.title
  const body = withOurPart(found.body, wish.body)
  if (title === found.title && body === found.body) return found
  // What stays is not sent: a person may have changed it since it was read.
  return await forge.update(found.number, {
    ...(title === found.title ? {} : { title }),
    ...(body === found.body ? {} : { body }),
  })
}

/** A new title with the mark of the old one, which makes it a draft. */
function titleOf({ draftMark }: PullRequest, title: string): string {
  return title.toLowerCase().startsWith(draftMark.trim().toLowerCase()) ? title : draftMark + title
}
