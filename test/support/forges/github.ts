/** GitHub Enterprise as far as pull requests go; every request must fit GitHub's own description of its interface. */

import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import {
  type Answer,
  type Asked,
  aStandIn,
  changePull,
  type ForgeStandIn,
  forkOf,
  headIn,
  openPullOf,
  type StandInState,
  type StoodPull,
} from './forge.ts'

interface Parameter {
  readonly $ref?: string
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: object
}
interface Operation {
  readonly parameters: readonly Parameter[]
  readonly requestBody?: {
    readonly required?: boolean
    readonly content: Readonly<Record<string, { readonly schema: object }>>
  }
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> }
}

// Cut from @octokit/openapi by cut-openapi.ts.
const description = JSON.parse(readFileSync(new URL('./github-openapi.json', import.meta.url), 'utf8')) as Description
const ajv = new Ajv({ strict: false, validateFormats: false, coerceTypes: false })
ajv.addSchema(description, 'github')
const numbers = new Ajv({ strict: false, validateFormats: false, coerceTypes: true })

/** What is wrong with a request, in sentences. */
function violationsOf({ method, path, query, headers, body }: Asked): string[] {
  const found = Object.entries(description.paths).find(([pattern]) =>
    new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
  const operation = found?.[1][method.toLowerCase()]
  if (operation === undefined) return [`${method} ${path} is no request of GitHub's`]
  const problems: string[] = []
  const parameters = operation.parameters.map((each) =>
    each.$ref === undefined ? each : (description.components.parameters[each.$ref.split('/').at(-1) ?? ''] ?? each),
  )
  for (const [name, value] of query) {
    const parameter = parameters.find((each) => each.in === 'query' && each.name === name)
    if (parameter === undefined) problems.push(`${method} ${path}: no parameter ${name}`)
    else if (!isOf(parameter.schema, value)) problems.push(`${method} ${path}: ${name}=${value}`)
  }
  for (const { name, in: place, required } of parameters) {
    if (place === 'query' && required === true && !query.has(name))
      problems.push(`${method} ${path}: ${name} is missing`)
  }
  if (!/^application\/(vnd\.github[\w.+-]*|json)/.test(headers.accept ?? '')) {
    problems.push(`${method} ${path}: accept ${headers.accept}`)
  }
  if ((headers['user-agent'] ?? '') === '') problems.push(`${method} ${path}: no user-agent`)
  const head = query.get('head')
  if (head !== null && !/^[^:/]+:.+$/.test(head))
    problems.push(`head=${head} would be ignored: it must be owner:branch`)
  const schema = operation.requestBody?.content['application/json']?.schema
  if (schema === undefined && Object.keys(body).length > 0) problems.push(`${method} ${path}: takes no body`)
  const hasBody = operation.requestBody?.required === true || Object.keys(body).length > 0
  if (schema !== undefined && hasBody && headers['content-type']?.startsWith('application/json') !== true) {
    problems.push(`${method} ${path}: content-type ${headers['content-type']}`)
  }
  if (schema !== undefined && !ajv.validate(inDescription(schema), body)) {
    problems.push(`${method} ${path}: ${ajv.errorsText()}`)
  }
  return problems
}

/** Whether a text that stands in an address fits; a boolean, since the validator's own type tells too much. */
function isOf(schema: object, value: string): boolean {
  return numbers.validate(schema, value)
}

/** References point into the description. */
function inDescription(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"github#/components')) as object
}

export function aGitHub(token: string, origin: () => string): ForgeStandIn {
  const shown = (pull: StoodPull) => ({
    number: pull.number,
    html_url: `${origin()}/team/project/pull/${pull.number}`,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    head: { ref: pull.head, repo: { full_name: pull.from ?? 'Team/project' } },
  })
  return aStandIn('/api/v3', (asked, state) => {
    if (asked.path === '/meta') return { status: 200, body: { installed_version: '3.19.0' } }
    if (asked.headers.authorization !== `token ${token}`) return { status: 401, body: { message: 'Bad credentials' } }
    state.violations.push(...violationsOf(asked))
    return respond(asked, state, shown)
  })
}

function respond(asked: Asked, state: StandInState, shown: (pull: StoodPull) => object): Answer {
  const { method, path, query, body } = asked
  if (path === '/user') return { status: 200, body: { login: 'someone' } }
  if (path === '/repos/someone/project') {
    const own = state.forks.own === 'someone/project'
    return own
      ? { status: 200, body: { full_name: state.forks.own, fork: true, parent: { full_name: 'Team/project' } } }
      : { status: 404, body: { message: 'Not Found' } }
  }
  if (path.endsWith('/forks')) return { status: 202, body: { full_name: forkOf(state) } }
  if (method === 'GET' && path.includes('/branches/')) {
    const name = decodeURIComponent(path.split('/branches/')[1] ?? '')
    return { status: 200, body: { name, protected: state.protectedBranches.has(name) } }
  }
  if (method === 'GET') {
    const { head, from } = headIn(query.get('head') ?? '')
    const found = state.isHidden()
      ? []
      : state.pulls.filter((pull) => pull.head === head && pull.from === from && pull.state === 'open')
    return { status: 200, body: found.map(shown) }
  }
  if (method === 'POST') {
    const { head, ...of } = headIn(String(body['head']))
    if (openPullOf(state, head, of.from) !== undefined) {
      const message = `A pull request already exists for team:${head}.`
      return {
        status: 422,
        body: { message: 'Validation Failed', errors: [{ resource: 'PullRequest', code: 'custom', message }] },
      }
    }
    const pull: StoodPull = {
      number: state.pulls.length + 1,
      head,
      ...of,
      base: String(body['base']),
      draft: body['draft'] === true,
      title: String(body['title']),
      body: String(body['body']),
      state: 'open',
    }
    state.pulls.push(pull)
    return { status: 201, body: shown(pull) }
  }
  const pull = state.pulls.find(({ number }) => number === Number(path.split('/').at(-1)))
  if (pull === undefined) return { status: 404, body: { message: 'Not Found' } }
  changePull(state, pull, body, { text: 'body' })
  return { status: 200, body: shown(pull) }
}
