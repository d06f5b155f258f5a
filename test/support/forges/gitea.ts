/** Gitea and Forgejo as far as pull requests go; every request must fit Gitea's own description of its interface. */

import { readFileSync } from 'node:fs'
import { type Documented, documentedViolations } from './documented.ts'
import { aStandIn, changePull, type ForgeStandIn, forkOf, headIn, openPullOf, type StoodPull } from './forge.ts'

// Cut from Gitea's own description by cut-swagger.ts.
const DOCUMENTED = JSON.parse(
  readFileSync(new URL('./gitea-requests.json', import.meta.url), 'utf8'),
) as readonly Documented[]
const PAGE = 50

export function aGitea(token: string, origin: () => string): ForgeStandIn {
  const shown = (pull: StoodPull) => ({
    number: pull.number,
    html_url: `${origin()}/team/project/pulls/${pull.number}`,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    head: { ref: pull.head, repo: { full_name: pull.from ?? 'team/project' } },
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
    if (rest[0] === 'forks' && method === 'GET') {
      const mine = { full_name: forkOf(state), permissions: { admin: true } }
      const theirs = { full_name: 'other/project', permissions: { admin: false } }
      return { status: 200, body: Number(query.get('page')) > 1 ? [] : [theirs, mine] }
    }
    if (rest[0] === 'forks') {
      if (state.forks.own === null) return { status: 202, body: { full_name: forkOf(state) } }
      return { status: 409, body: { message: 'the repository was forked already' } }
    }
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
      const { head, from } = headIn(decodeURIComponent(rest[2] ?? ''))
      const found = state.isHidden() ? undefined : state.pulls.find((pull) => pull.head === head && pull.from === from)
      return found === undefined ? { status: 404, body: { message: 'not found' } } : { status: 200, body: shown(found) }
    }
    if (method === 'POST') {
      const { head, ...of } = headIn(String(body['head']))
      // The description names none, and without these there is no pull request.
      for (const name of ['head', 'base', 'title']) {
        if (body[name] === undefined || body[name] === '') state.violations.push(`POST ${path}: no ${name}`)
      }
      if (openPullOf(state, head, of.from) !== undefined) {
        return { status: 409, body: { message: 'pull request already exists for these targets' } }
      }
      const title = String(body['title'])
      const pull: StoodPull = {
        number: state.pulls.length + 1,
        head,
        ...of,
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
