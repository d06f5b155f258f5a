/** Gitea and Forgejo as far as pull requests go. */

import { aStandIn, type ForgeStandIn, openPullOf, type StoodPull } from './forge.ts'

export function aGitea(token: string, origin: () => string): ForgeStandIn {
  const shown = (pull: StoodPull) => ({
    number: pull.number,
    html_url: `${origin()}/team/project/pulls/${pull.number}`,
    title: pull.title,
    body: pull.body,
    state: pull.state,
  })
  return aStandIn('/api/v1', ({ method, path, headers, body }, state) => {
    if (path === '/version') return { status: 200, body: { version: '15.0.2+gitea-1.22.0' } }
    if (headers.authorization !== `token ${token}`) return { status: 401, body: { message: 'invalid token' } }
    const repository = '/repos/team/project'
    if (!path.startsWith(`${repository}/`)) state.violations.push(`${method} ${path}`)
    const rest = path.slice(repository.length + 1).split('/')
    if (rest[0] === 'branches') {
      const name = decodeURIComponent(rest[1] ?? '')
      return { status: 200, body: { name, protected: state.protectedBranches.has(name), user_can_push: false } }
    }
    if (method === 'GET') {
      const found = state.isHidden() ? undefined : openPullOf(state, decodeURIComponent(rest[2] ?? ''))
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
    pull.title = String(body['title'])
    pull.body = String(body['body'])
    return { status: 201, body: shown(pull) }
  })
}
