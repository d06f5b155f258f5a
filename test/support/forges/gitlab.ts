/** GitLab as far as merge requests go. */

import { type Documented, documentedViolations } from './documented.ts'
import { aStandIn, changePull, type ForgeStandIn, forkOf, openPullOf, type StoodPull } from './forge.ts'

const text = { type: 'string' } as const
const line = { type: 'string', minLength: 1, maxLength: 255 } as const
const description = { type: 'string', maxLength: 1_048_576 } as const
const flag = { type: 'boolean' } as const

/** GitLab's package has no description of its interface with it: its documented fields, as far as merge requests need them. */
const DOCUMENTED: readonly Documented[] = [
  { method: 'GET', path: '/projects/{id}/protected_branches/{name}' },
  { method: 'GET', path: '/projects/{id}/repository/branches/{branch}' },
  {
    method: 'GET',
    path: '/projects/{id}/merge_requests',
    query: {
      source_branch: text,
      target_branch: text,
      state: { enum: ['opened', 'closed', 'locked', 'merged', 'all'] },
      page: { type: 'integer', minimum: 1 },
      per_page: { type: 'integer', minimum: 1, maximum: 100 },
    },
  },
  {
    method: 'POST',
    path: '/projects/{id}/merge_requests',
    body: {
      required: ['source_branch', 'target_branch', 'title'],
      properties: {
        source_branch: line,
        target_branch: line,
        title: line,
        description,
        remove_source_branch: flag,
        squash: flag,
        target_project_id: { type: 'integer' },
      },
    },
  },
  { method: 'GET', path: '/projects/{id}' },
  {
    method: 'GET',
    path: '/projects/{id}/forks',
    query: {
      owned: flag,
      page: { type: 'integer', minimum: 1 },
      per_page: { type: 'integer', minimum: 1, maximum: 100 },
    },
  },
  { method: 'POST', path: '/projects/{id}/fork', body: { properties: {} } },
  {
    method: 'PUT',
    path: '/projects/{id}/merge_requests/{iid}',
    body: {
      minProperties: 1,
      properties: { title: line, description, target_branch: line, remove_source_branch: flag, squash: flag },
    },
  },
]

export function aGitLab(token: string, origin: () => string): ForgeStandIn {
  const shown = (pull: StoodPull) => ({
    iid: pull.number,
    web_url: `${origin()}/team/project/-/merge_requests/${pull.number}`,
    title: pull.title,
    description: pull.body,
    source_branch: pull.head,
    target_branch: pull.base,
    source_project_id: pull.from === undefined ? 1 : 2,
    target_project_id: 1,
    state: pull.state === 'open' ? 'opened' : 'closed',
  })
  return aStandIn('/api/v4', (asked, state) => {
    const { method, path, query, headers, body } = asked
    if (headers['private-token'] !== token) {
      return { status: 401, body: { message: '401 Unauthorized' }, headers: { 'x-gitlab-meta': '{}' } }
    }
    const project = '/projects/team%2Fproject'
    const ownFork = '/projects/someone%2Fproject'
    const isFork = path.startsWith(`${ownFork}`)
    if (!path.startsWith(project) && !isFork) state.violations.push(`${method} ${path}`)
    state.violations.push(...documentedViolations(DOCUMENTED, asked))
    const shownFork = () => ({ id: 2, path_with_namespace: forkOf(state), namespace: { kind: 'user' } })
    if (path === project) return { status: 200, body: { id: 1, path_with_namespace: 'team/project' } }
    if (path === ownFork) return { status: 200, body: shownFork() }
    if (path === `${project}/forks`) return { status: 200, body: state.forks.own === null ? [] : [shownFork()] }
    if (path === `${project}/fork`) {
      if (state.forks.own === null) return { status: 201, body: shownFork() }
      return { status: 409, body: { message: 'Project namespace name has already been taken' } }
    }
    if (path.startsWith(`${project}/repository/branches/`)) {
      const name = decodeURIComponent(path.split('/branches/')[1] ?? '')
      const canPush = state.openTo.has(name)
      return { status: 200, body: { name, protected: state.protectedBranches.has(name), can_push: canPush } }
    }
    if (path.startsWith(`${project}/protected_branches/`)) {
      const name = decodeURIComponent(path.split('/protected_branches/')[1] ?? '')
      return state.protectedBranches.has(name)
        ? { status: 200, body: { name } }
        : { status: 404, body: { message: '404 Not found' } }
    }
    if (method === 'GET') {
      if (query.get('state') !== 'opened') state.violations.push(`state=${query.get('state')}`)
      const head = query.get('source_branch')
      const found = state.isHidden() ? [] : state.pulls.filter((pull) => pull.head === head && pull.state === 'open')
      return { status: 200, body: found.map(shown) }
    }
    if (method === 'POST') {
      const head = String(body['source_branch'])
      const of = isFork ? { from: 'someone/project' } : {}
      if (isFork && body['target_project_id'] !== 1) state.violations.push('it would go into the fork itself')
      if (openPullOf(state, head, of.from) !== undefined) {
        return {
          status: 409,
          body: { message: ['Another open merge request already exists for this source branch: !1'] },
        }
      }
      const title = String(body['title'])
      const pull: StoodPull = {
        number: state.pulls.length + 1,
        head,
        ...of,
        base: String(body['target_branch']),
        draft: title.startsWith('Draft: '),
        title,
        body: String(body['description']),
        state: 'open',
      }
      state.pulls.push(pull)
      return { status: 201, body: shown(pull) }
    }
    const pull = state.pulls.find(({ number }) => number === Number(path.split('/').at(-1)))
    if (pull === undefined || method !== 'PUT') return { status: 404, body: { message: '404 Not found' } }
    changePull(state, pull, body, { text: 'description', draftMark: /^draft:/i })
    return { status: 200, body: shown(pull) }
  })
}
