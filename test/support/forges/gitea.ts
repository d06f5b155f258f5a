/** Gitea and Forgejo as far as pull requests go. */

import { type Documented, documentedViolations } from './documented.ts'
import { aStandIn, changePull, type ForgeStandIn, openPullOf, type StoodPull } from './forge.ts'

const text = { type: 'string' } as const
const line = { type: 'string', minLength: 1 } as const
const number = { type: 'integer', minimum: 1 } as const

/** Gitea serves its description and no package brings it: its documented fields, as far as pull requests need them. */
const DOCUMENTED: readonly Documented[] = [
  { method: 'GET', path: '/repos/{owner}/{repo}/branches/{branch}' },
  { method: 'GET', path: '/repos/{owner}/{repo}/pulls/{base}/{head}' },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/pulls',
    query: {
      state: { enum: ['open', 'closed', 'all'] },
      sort: {
        enum: ['oldest', 'recentupdate', 'recentclose', 'leastupdate', 'mostcomment', 'leastcomment', 'priority'],
      },
      page: number,
      limit: number,
    },
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/pulls',
    body: { required: ['head', 'base', 'title'], properties: { head: line, base: line, title: line, body: text } },
  },
  {
    method: 'PATCH',
    path: '/repos/{owner}/{repo}/pulls/{index}',
    body: {
      minProperties: 1,
      properties: { title: line, body: text, base: line, state: { enum: ['open', 'closed'] } },
    },
  },
]
const PAGE = 50

export function aGitea(token: string, origin: () => string): ForgeStandIn {
  const shown = (pull: StoodPull) => ({
    number: pull.number,
    html_url: `${origin()}/team/project/pulls/${pull.number}`,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    head: { ref: pull.head, repo: { full_name: 'team/project' } },
    base: { ref: pull.base },
  })
  return aStandIn('/api/v1', (asked, state) => {
    const { method, path, query, headers, body } = asked
    if (path === '/version') return { status: 200, body: { version: '15.0.2+gitea-1.22.0' } }
    if (headers.authorization !== `token ${token}`) return { status: 401, body: { message: 'invalid token' } }
    const repository = '/repos/team/project'
    if (!path.startsWith(`${repository}/`)) state.violations.push(`${method} ${path}`)
    state.violations.push(...documentedViolations(DOCUMENTED, asked))
    const rest = path.slice(repository.length + 1).split('/')
    if (rest[0] === 'branches') {
      const name = decodeURIComponent(rest[1] ?? '')
      return {
        status: 200,
        body: { name, protected: state.protectedBranches.has(name), user_can_push: state.openTo.has(name) },
      }
    }
    if (method === 'GET' && rest.length === 1) {
      const found = state.pulls.filter((pull) => pull.state === query.get('state'))
      const from = PAGE * (Number(query.get('page') ?? 1) - 1)
      return { status: 200, body: found.slice(from, from + PAGE).map(shown) }
    }
    if (method === 'GET') {
      // The oldest of the branch's, whether it is open or not.
      const head = decodeURIComponent(rest[2] ?? '')
      const found = state.isHidden() ? undefined : state.pulls.find((pull) => pull.head === head)
      return found === undefined ? { status: 404, body: { message: 'not found' } } : { status: 200, body: shown(found) }
    }
    if (method === 'POST') {
      const head = String(body['head'])
      if ('draft' in body) state.violations.push('there is no field draft')
      if (openPullOf(state, head) !== undefined) {
        return { status: 409, body: { message: 'pull request already exists for these targets' } }
      }
      const title = String(body['title'])
      const pull: StoodPull = {
        number: state.pulls.length + 1,
        head,
        base: String(body['base']),
        draft: title.startsWith('WIP: '),
        title,
        body: String(body['body']),
        state: 'open',
      }
      state.pulls.push(pull)
      return { status: 201, body: shown(pull) }
    }
    const pull = state.pulls.find(({ number }) => number === Number(rest.at(-1)))
    if (pull === undefined || method !== 'PATCH') return { status: 404, body: { message: 'not found' } }
    changePull(state, pull, body, { text: 'body', draftMark: /^wip:/i })
    return { status: 201, body: shown(pull) }
  })
}
