import { Octokit } from '@octokit/rest'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Forge, ForgeAnswer, Fork, PullRequest } from './forge.ts'
import { forgeFailure, forkFailure } from './forge-failure.ts'
import type { ForgeFetch } from './forge-fetch.ts'
import { forkIn, type Repository } from './repository.ts'

const Found = z.object({
  number: z.number(),
  html_url: z.string().max(2_000),
  title: z.string(),
  body: z.string().nullish(),
})

/** GitHub, GitHub Enterprise Server and ghe.com, by GitHub's own client. */
export function createGitHub(repository: Repository, baseUrl: string, token: string, fetch: ForgeFetch): Forge {
  const { host, owner, name: repo } = repository
  const octokit = new Octokit({
    auth: token,
    baseUrl,
    userAgent: 'keelson',
    request: { fetch: neverElsewhere(fetch, host) },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  const fail = (error: unknown): AppError => {
    const answer = answerOf(error)
    if (answer !== null) return forgeFailure('github', host, answer)
    if (error instanceof Error && error.cause instanceof AppError) return error.cause
    return new AppError('forge_unreachable', `${host} gave an answer that cannot be read.`, { cause: error })
  }
  const shown = (answered: unknown): PullRequest => {
    const { number, html_url: url, title, body } = Found.parse(answered)
    return { number, url, title, body: body ?? '', draftMark: '' }
  }
  /** The owner's repository of the same name, when it is a fork of this one. */
  const ownFork = async (login: string): Promise<Fork | null> => {
    try {
      const { data } = await octokit.rest.repos.get({ owner: login, repo })
      const from = [data.parent, data.source].map((each) => each?.full_name.toLowerCase())
      return from.includes(`${owner}/${repo}`.toLowerCase()) ? forkIn(data.full_name, repository) : null
    } catch (error) {
      if (answerOf(error)?.status === 404) return null
      throw error
    }
  }
  const create = async (wish: Parameters<Forge['create']>[0], draft: boolean): Promise<PullRequest | null> => {
    const { head: branch, fork, base, title, body } = wish
    const head = fork === null ? branch : `${fork.owner}:${branch}`
    try {
      const { data } = await octokit.rest.pulls.create({ owner, repo, head, base, title, body, draft })
      return shown(data)
    } catch (error) {
      const answer = answerOf(error)
      if (answer?.status === 422 && /already exists/i.test(answer.message)) return null
      // Not every plan has drafts; the work is worth more than the mark.
      if (draft && answer?.status === 422 && /draft/i.test(answer.message)) return await create(wish, false)
      throw fail(error)
    }
  }

  return {
    kind: 'github',
    branchUrl: (branch) => `${repository.url}/tree/${encodeBranch(branch)}`,
    async isProtected(branch) {
      try {
        return (await octokit.rest.repos.getBranch({ owner, repo, branch })).data.protected
      } catch (error) {
        const status = answerOf(error)?.status
        if (status === 404 || status === 403) return false
        throw fail(error)
      }
    },
    async fork() {
      try {
        const { login } = (await octokit.rest.users.getAuthenticated()).data
        const known = await ownFork(login)
        if (known !== null) return known
        const { data } = await octokit.rest.repos.createFork({ owner, repo })
        return forkIn(data.full_name, repository)
      } catch (error) {
        if (error instanceof AppError) throw error
        const answer = answerOf(error)
        throw (answer && forkFailure('github', repository, answer)) ?? fail(error)
      }
    },
    async findOpen({ head, fork }) {
      const from = fork ?? { owner, name: repo }
      try {
        const { data } = await octokit.rest.pulls.list({
          owner,
          repo,
          state: 'open',
          head: `${from.owner}:${head}`,
          per_page: 100,
        })
        // A service that does not understand the filter answers with all of them.
        const found = data.find(
          (each) =>
            each.head.ref === head &&
            each.head.repo?.full_name.toLowerCase() === `${from.owner}/${from.name}`.toLowerCase(),
        )
        return found === undefined ? null : shown(found)
      } catch (error) {
        throw fail(error)
      }
    },
    create: (wish) => create(wish, wish.draft),
    async update(number, text) {
      try {
        return shown((await octokit.rest.pulls.update({ owner, repo, pull_number: number, ...text })).data)
      } catch (error) {
        throw fail(error)
      }
    },
  }
}

/** A repository that has a new name answers with a redirect, which the client would take for a success. */
function neverElsewhere(fetch: ForgeFetch, host: string): ForgeFetch {
  return async (url, init) => {
    const answer = await fetch(url, init)
    if (answer.status < 300 || answer.status >= 400) return answer
    throw forgeFailure('github', host, { status: answer.status, headers: {}, message: '' })
  }
}

/** What the service answered, out of the client's own kind of error; null when it did not. */
function answerOf(error: unknown): ForgeAnswer | null {
  if (!(error instanceof Error) || !('response' in error) || !('status' in error)) return null
  const { response, status } = error
  if (typeof status !== 'number' || typeof response !== 'object' || response === null) return null
  const headers = 'headers' in response && typeof response.headers === 'object' ? { ...response.headers } : {}
  return {
    status,
    message: error.message,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
  }
}

function encodeBranch(branch: string): string {
  return branch.split('/').map(encodeURIComponent).join('/')
}
