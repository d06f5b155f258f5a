import { createRequesterFn, type FormattedResponse } from '@gitbeaker/requester-utils'
import { Branches, MergeRequests, Projects, ProtectedBranches } from '@gitbeaker/rest'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Forge, ForgeAnswer, Fork, PullRequest } from './forge.ts'
import { forgeFailure, forkFailure } from './forge-failure.ts'
import type { ForgeFetch, ForgeRequest } from './forge-fetch.ts'
import { forkIn, type Repository } from './repository.ts'

const Found = z.object({
  iid: z.number(),
  web_url: z.string().max(2_000),
  title: z.string(),
  description: z.string().nullish(),
})

const Project = z.object({
  id: z.number(),
  path_with_namespace: z.string(),
  namespace: z.object({ kind: z.string() }).optional(),
})
/** What makes a draft of a merge request, once or several times. */
const DRAFT = /^((\[draft\]|\(draft\)|draft:)\s*)+/i

/** An answer that is no success; the client passes it on as it is. */
class Refused extends Error {
  readonly answer: ForgeAnswer
  constructor(answer: ForgeAnswer) {
    super(answer.message)
    this.answer = answer
  }
}

/** GitLab, wherever it runs, by the client that its community keeps. Merge requests are its pull requests. */
export function createGitLab(repository: Repository, baseUrl: string, token: string, fetch: ForgeFetch): Forge {
  const project = `${repository.owner}/${repository.name}`
  const options = {
    host: new URL(baseUrl).origin,
    token,
    requesterFn: createRequesterFn(
      (_, asked) => Promise.resolve(asked),
      (endpoint, asked) => request(fetch, endpoint, asked),
    ),
  }
  const requests = new MergeRequests(options)
  const guarded = new ProtectedBranches(options)
  const branches = new Branches(options)
  const projects = new Projects(options)
  const fail = (error: unknown): AppError => {
    if (error instanceof Refused) return forgeFailure('gitlab', repository.host, error.answer)
    if (error instanceof AppError) return error
    return new AppError('forge_unreachable', `${repository.host} gave an answer that cannot be read.`, { cause: error })
  }
  const shown = (answered: unknown): PullRequest => {
    const { iid: number, web_url: url, title, description } = Found.parse(answered)
    return { number, url, title, body: description ?? '', draftMark: DRAFT.exec(title)?.[0] ?? '' }
  }

  /** Those of the token's owner; one of a group only when none is a person's. */
  const ownFork = async (): Promise<Fork | null> => {
    const wanted = { owned: true, maxPages: 1, perPage: 20 }
    const answered = await projects.allForks(project, wanted)
    const found = z.array(Project).parse(answered)
    const own = found.find(({ namespace }) => namespace?.kind === 'user') ?? found[0]
    return own === undefined ? null : forkIn(own.path_with_namespace, repository)
  }
  const idOf = async (path: string): Promise<number> => Project.parse(await projects.show(path)).id

  return {
    kind: 'gitlab',
    branchUrl: (branch) => `${repository.url}/-/tree/${branch.split('/').map(encodeURIComponent).join('/')}`,
    async isProtected(branch) {
      const isRefused = (error: unknown) => error instanceof Refused && [403, 404].includes(error.answer.status)
      try {
        await guarded.show(project, branch)
      } catch (error) {
        if (isRefused(error)) return false
        throw fail(error)
      }
      try {
        // A protected branch is open to whoever has the role for it.
        return (await branches.show(project, branch)).can_push !== true
      } catch (error) {
        if (isRefused(error)) return true
        throw fail(error)
      }
    },
    async fork() {
      try {
        const known = await ownFork()
        if (known !== null) return known
        return forkIn(Project.parse(await projects.fork(project)).path_with_namespace, repository)
      } catch (error) {
        if (error instanceof Refused) throw forkFailure('gitlab', repository, error.answer)
        throw fail(error)
      }
    },
    async findOpen({ head, fork }) {
      try {
        const sourceId = fork === null ? null : await idOf(`${fork.owner}/${fork.name}`)
        const found = await requests.all({
          projectId: project,
          sourceBranch: head,
          state: 'opened',
          maxPages: 1,
          perPage: 20,
        })
        const own = found.find(
          (each) => each.source_branch === head && each.source_project_id === (sourceId ?? each.target_project_id),
        )
        return own === undefined ? null : shown(own)
      } catch (error) {
        throw fail(error)
      }
    },
    async create({ head, fork, base, title, body, draft }) {
      try {
        const text = draft && !DRAFT.test(title) ? `Draft: ${title}` : title
        if (fork === null) return shown(await requests.create(project, head, base, text, { description: body }))
        const into = { description: body, targetProjectId: await idOf(project) }
        return shown(await requests.create(`${fork.owner}/${fork.name}`, head, base, text, into))
      } catch (error) {
        // The words may be in another language.
        if (error instanceof Refused && error.answer.status === 409) return null
        throw fail(error)
      }
    },
    async update(number, { title, body }) {
      const asked = { ...(title === undefined ? {} : { title }), ...(body === undefined ? {} : { description: body }) }
      try {
        return shown(await requests.edit(project, number, asked))
      } catch (error) {
        throw fail(error)
      }
    },
  }
}

async function request(
  fetch: ForgeFetch,
  endpoint: string,
  asked: Record<string, unknown> = {},
): Promise<FormattedResponse> {
  const prefix = typeof asked['prefixUrl'] === 'string' ? asked['prefixUrl'] : ''
  const url = new URL(endpoint, prefix.endsWith('/') ? prefix : `${prefix}/`)
  url.search = typeof asked['searchParams'] === 'string' ? asked['searchParams'] : ''
  const init: ForgeRequest = {
    method: typeof asked['method'] === 'string' ? asked['method'] : 'GET',
    headers: headersIn(asked['headers']),
    ...(typeof asked['body'] === 'string' ? { body: asked['body'] } : {}),
  }
  const answer = await fetch(url.href, init)
  const headers = Object.fromEntries(answer.headers.entries())
  const text = await answer.text()
  if (!answer.ok) throw new Refused({ status: answer.status, headers, message: messageIn(text) })
  const body = text === '' ? null : (JSON.parse(text) as Record<string, unknown> | Record<string, unknown>[])
  return { body, headers, status: answer.status }
}

function headersIn(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, String(each)]))
}

function messageIn(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return ''
    const found = 'message' in value ? value.message : 'error' in value ? value.error : ''
    const more = 'error_description' in value ? ` ${String(value.error_description)}` : ''
    return (typeof found === 'string' ? found : JSON.stringify(found)) + more
  } catch {
    // A page for people.
    return ''
  }
}
