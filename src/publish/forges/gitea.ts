import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Forge, PullRequest } from './forge.ts'
import { forgeFailure } from './forge-failure.ts'
import type { ForgeFetch } from './forge-fetch.ts'
import type { Repository } from './repository.ts'

const Found = z.object({
  number: z.number(),
  html_url: z.string(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.string(),
})
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
    throw forgeFailure('gitea', host, { status: answer.status, headers, message: messageIn(text) })
  }
  const refused = ({ status, text }: { status: number; text: string }): AppError =>
    forgeFailure('gitea', host, { status, headers: {}, message: messageIn(text) })
  const read = (text: string): z.infer<typeof Found> => {
    const parsed = Found.safeParse(jsonIn(text))
    if (parsed.success) return parsed.data
    throw new AppError('forge_unreachable', `${host} gave an answer that cannot be read.`)
  }
  const shown = ({ number, html_url: url, title, body }: z.infer<typeof Found>): PullRequest => ({
    number,
    url,
    title,
    body: body ?? '',
  })

  return {
    kind: 'gitea',
    branchUrl: (branch) => `${repository.url}/src/branch/${branch.split('/').map(encodeURIComponent).join('/')}`,
    async isProtected(branch) {
      const { status, text } = await ask('GET', `/branches/${encodeURIComponent(branch)}`)
      const parsed = status === 200 ? Branch.safeParse(jsonIn(text)) : null
      return parsed?.success === true && parsed.data.protected && parsed.data.user_can_push !== true
    },
    async findOpen(head, base) {
      const { status, text } = await ask('GET', `/pulls/${encodeURIComponent(base)}/${encodeURIComponent(head)}`)
      if (status !== 200) return null
      const found = read(text)
      return found.state === 'open' ? shown(found) : null
    },
    async create({ head, base, title, body, draft }) {
      const answer = await ask('POST', '/pulls', { head, base, title: draft ? `WIP: ${title}` : title, body })
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
