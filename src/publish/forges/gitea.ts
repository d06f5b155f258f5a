import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Forge, Fork, PullRequest } from './forge.ts'
import { forgeFailure, forkFailure } from './forge-failure.ts'
import type { ForgeFetch } from './forge-fetch.ts'
import { forkIn, type Repository } from './repository.ts'

const Found = z.object({
  number: z.number(),
  html_url: z.string().max(2_000),
  title: z.string(),
  body: z.string().nullish(),
  state: z.string(),
  head: z.object({ ref: z.string(), repo: z.object({ full_name: z.string() }).nullish() }).optional(),
  base: z.object({ ref: z.string() }).optional(),
})
/** What makes a draft of a pull request unless the service was set up with other words. */
const DRAFT = /^(wip:|\[wip\])\s*/i
/** The most that a page of a list holds, whatever is asked for. */
const PAGE = 50
const MAX_PAGES = 20
const List = z.array(Found)
const Repo = z.object({ full_name: z.string(), permissions: z.object({ admin: z.boolean() }).nullish() })
const Branch = z.object({ protected: z.boolean(), user_can_push: z.boolean().optional() })
const Failure = z.object({ message: z.string() })

/** Gitea and Forgejo, whose interface for pull requests is the same. */
export function createGitea(repository: Repository, baseUrl: string, token: string, fetch: ForgeFetch): Forge {
  const { host, owner, name } = repository
  const api = `${baseUrl}/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`

  const ask = async (method: string, path: string, body?: object): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${api}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        authorization: `token ${token}`,
        'user-agent': 'keelson',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (answer.ok || answer.status === 404 || answer.status === 409) return { status: answer.status, text }
    const headers = Object.fromEntries(answer.headers.entries())
    const told = { status: answer.status, headers, message: messageIn(text) }
    throw path === '/forks' ? forkFailure('gitea', repository, told) : forgeFailure('gitea', host, told)
  }
  const refused = ({ status, text }: { status: number; text: string }): AppError =>
    forgeFailure('gitea', host, { status, headers: {}, message: messageIn(text) })
  const unreadable = () => new AppError('forge_unreachable', `${host} gave an answer that cannot be read.`)
  const read = (text: string): z.infer<typeof Found> => {
    const parsed = Found.safeParse(jsonIn(text))
    if (parsed.success) return parsed.data
    throw unreadable()
  }
  /** Looks through the open ones, at most {@link MAX_PAGES} pages of them. */
  const findListed = async ({ head, base, fork }: Parameters<Forge['findOpen']>[0]): Promise<PullRequest | null> => {
    const from = fork ?? { owner, name }
    for (let page = 1; page <= MAX_PAGES; page++) {
      const { status, text } = await ask('GET', `/pulls?state=open&sort=recentupdate&limit=${PAGE}&page=${page}`)
      if (status !== 200) return null
      const listed = List.safeParse(jsonIn(text))
      if (!listed.success) throw unreadable()
      const own = listed.data.find(
        (each) =>
          each.head?.ref === head &&
          each.base?.ref === base &&
          each.head.repo?.full_name.toLowerCase() === `${from.owner}/${from.name}`.toLowerCase(),
      )
      if (own !== undefined) return shown(own)
      if (listed.data.length === 0) return null
    }
    return null
  }
  const readFork = (text: string): z.infer<typeof Repo> => {
    const parsed = Repo.safeParse(jsonIn(text))
    if (parsed.success) return parsed.data
    throw unreadable()
  }
  /** Looks through the forks for the one that the token's owner governs, at most {@link MAX_PAGES} pages of them. */
  const ownFork = async (): Promise<Fork | null> => {
    // A token need not tell whose it is; a fork says what the token may do with it.
    for (let page = 1; page <= MAX_PAGES; page++) {
      const { status, text } = await ask('GET', `/forks?limit=${PAGE}&page=${page}`)
      const listed = status === 200 ? z.array(Repo).safeParse(jsonIn(text)) : null
      if (listed?.success !== true) throw unreadable()
      const own = listed.data.find(({ permissions }) => permissions?.admin === true)
      if (own !== undefined) return forkIn(own.full_name, repository)
      if (listed.data.length === 0) return null
    }
    return null
  }
  const shown = ({ number, html_url: url, title, body }: z.infer<typeof Found>): PullRequest => ({
    number,
    url,
    title,
    body: body ?? '',
    draftMark: DRAFT.exec(title)?.[0] ?? '',
  })

  return {
    kind: 'gitea',
    branchUrl: (branch) => `${repository.url}/src/branch/${branch.split('/').map(encodeURIComponent).join('/')}`,
    async isProtected(branch) {
      const { status, text } = await ask('GET', `/branches/${encodeURIComponent(branch)}`)
      const parsed = status === 200 ? Branch.safeParse(jsonIn(text)) : null
      return parsed?.success === true && parsed.data.protected && parsed.data.user_can_push !== true
    },
    async fork() {
      const made = await ask('POST', '/forks', {})
      if (made.status < 400) return forkIn(readFork(made.text).full_name, repository)
      const message = messageIn(made.text)
      const named = /fork path: ([^\s\]]+)/.exec(message)?.[1]
      const known = named !== undefined ? forkIn(named, repository) : made.status === 409 ? await ownFork() : null
      if (known !== null) return known
      throw forkFailure('gitea', repository, { status: made.status, headers: {}, message })
    },
    async findOpen(at) {
      const { head, base, fork } = at
      const from = fork === null ? head : `${fork.owner}/${fork.name}:${head}`
      const { status, text } = await ask('GET', `/pulls/${encodeURIComponent(base)}/${encodeURIComponent(from)}`)
      if (status !== 200) return null
      const found = read(text)
      // One of the branch's pull requests, whichever: an older one that is closed hides the open one.
      return found.state === 'open' ? shown(found) : await findListed(at)
    },
    async create({ head: branch, fork, base, title, body, draft }) {
      const head = fork === null ? branch : `${fork.owner}:${branch}`
      const answer = await ask('POST', '/pulls', {
        head,
        base,
        title: draft && !DRAFT.test(title) ? `WIP: ${title}` : title,
        body,
      })
      if (answer.status === 409) return null
      if (answer.status === 404) throw refused(answer)
      return shown(read(answer.text))
    },
    async update(number, text) {
      const answer = await ask('PATCH', `/pulls/${number}`, text)
      if (answer.status >= 400) throw refused(answer)
      return shown(read(answer.text))
    },
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A page for people.
    return null
  }
}

function messageIn(text: string): string {
  const parsed = Failure.safeParse(jsonIn(text))
  return parsed.success ? parsed.data.message : ''
}
