/** What a service refuses, by its own client over HTTP: which code it is told as, with what a person has to do about it. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Forge } from '../../../src/publish/forges/forge.ts'
import { createForgeFetch } from '../../../src/publish/forges/forge-fetch.ts'
import { createGitea } from '../../../src/publish/forges/gitea.ts'
import { createGitHub } from '../../../src/publish/forges/github.ts'
import { createGitLab } from '../../../src/publish/forges/gitlab.ts'
import { openOrUpdate } from '../../../src/publish/open-pull-request.ts'
import { AppError } from '../../../src/shared/errors.ts'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import { aGitea } from '../../support/forges/gitea.ts'
import { aGitHub } from '../../support/forges/github.ts'
import { aGitLab } from '../../support/forges/gitlab.ts'

const TOKEN = 'token-of-a-person'
const KINDS = {
  github: { api: '/api/v3', create: createGitHub, standIn: aGitHub },
  gitlab: { api: '/api/v4', create: createGitLab, standIn: aGitLab },
  gitea: { api: '/api/v1', create: createGitea, standIn: aGitea },
} as const
type Kind = keyof typeof KINDS
const wish = {
  head: 'topic',
  fork: null,
  base: 'main',
  title: 'Title',
  body: 'Body',
  draft: false,
  isTitleNamed: false,
}

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing) await close()
  closing = []
})

async function aForge(kind: Kind, token = TOKEN): Promise<{ standIn: ForgeStandIn; forge: Forge; server: Server }> {
  const { api, create, standIn: make } = KINDS[kind]
  let origin = ''
  const standIn = make(TOKEN, () => origin)
  const server = createServer(standIn.api)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { fetch, close } = createForgeFetch({ origin, addresses: 'configured', trusted: [] })
  closing.push(close, async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const repository = { host: 'git.example.com', url: `${origin}/team/project`, owner: 'team', name: 'project' }
  return { standIn, forge: create(repository, `${origin}${api}`, token, fetch), server }
}

async function toldOf(work: Promise<unknown>): Promise<{ code: string; message: string; retryAfterMs?: number }> {
  const error: unknown = await work.catch((failure: unknown) => failure)
  if (!(error instanceof AppError)) throw new Error(`no refusal but ${JSON.stringify(error)}`, { cause: error })
  const { code, message, retryAfterMs } = error
  return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

interface Refusal {
  readonly says: string
  readonly status: number
  readonly body: object
  readonly headers?: Record<string, string>
  readonly code: string
  readonly words: RegExp
}
const REFUSALS: Readonly<Record<Kind, readonly Refusal[]>> = {
  github: [
    {
      says: 'a fine-grained token without the permission',
      status: 403,
      body: { message: 'Resource not accessible by personal access token' },
      headers: { 'x-accepted-github-permissions': 'pull_requests=write' },
      code: 'missing_scope',
      words: /"pull_requests=write".*Pull requests: write/,
    },
    {
      says: 'a classic token without the scope',
      status: 404,
      body: { message: 'Not Found' },
      headers: { 'x-accepted-oauth-scopes': 'repo', 'x-oauth-scopes': 'gist' },
      code: 'missing_scope',
      words: /"repo"/,
    },
    {
      says: 'an organization with single sign-on',
      status: 403,
      body: { message: 'Resource protected by organization SAML enforcement.' },
      headers: { 'x-github-sso': 'required' },
      code: 'credential_refused',
      words: /single sign-on/,
    },
    {
      says: 'a revoked token',
      status: 401,
      body: { message: 'Bad credentials' },
      code: 'credential_refused',
      words: /revoked/,
    },
    {
      says: 'nothing to merge',
      status: 422,
      body: { message: 'Validation Failed', errors: [{ message: 'No commits between main and topic' }] },
      code: 'forge_refused',
      words: /No commits between/,
    },
    {
      says: 'its limit of requests',
      status: 403,
      body: { message: 'You have exceeded a secondary rate limit.' },
      code: 'forge_unreachable',
      words: /asks to wait/,
    },
    {
      says: 'a moved repository',
      status: 301,
      body: {},
      headers: { location: '/elsewhere' },
      code: 'forge_refused',
      words: /moved/,
    },
  ],
  gitlab: [
    {
      says: 'a token without the scope',
      status: 403,
      body: {
        error: 'insufficient_scope',
        error_description: 'The request requires higher privileges than provided by the access token.',
        scope: 'api',
      },
      code: 'missing_scope',
      words: /the scope "api" .*insufficient_scope/,
    },
    {
      says: 'a revoked token',
      status: 401,
      body: { error: 'invalid_token', error_description: 'Token was revoked.' },
      code: 'credential_refused',
      words: /revoked\. Delete it.*Token was revoked/,
    },
    {
      says: 'a role below Developer',
      status: 403,
      body: { message: '403 Forbidden' },
      code: 'missing_scope',
      words: /at least the role Developer/,
    },
    {
      says: 'a project that is hidden from the token',
      status: 404,
      body: { message: '404 Project Not Found' },
      code: 'missing_scope',
      words: /404 Project Not Found/,
    },
    {
      says: 'a target branch that is not there',
      status: 400,
      body: { message: { target_branch: ['does not exist'] } },
      code: 'forge_refused',
      words: /target_branch.*does not exist/,
    },
    {
      says: 'its limit of requests',
      status: 429,
      body: {},
      headers: { 'retry-after': '9' },
      code: 'forge_unreachable',
      words: /asks to wait/,
    },
  ],
  gitea: [
    {
      says: 'a token without the scope',
      status: 403,
      body: {
        message:
          'token does not have at least one of required scope(s), required=[write:repository], token scope=read:user',
      },
      code: 'missing_scope',
      words: /needs "write:repository"/,
    },
    {
      says: 'a token that was deleted',
      status: 401,
      body: { message: 'invalid username, password or token' },
      code: 'credential_refused',
      words: /revoked\. Delete it/,
    },
    {
      says: 'a repository that its owner may only read',
      status: 403,
      body: { message: 'user should have permission to write the repository' },
      code: 'missing_scope',
      words: /permission to write the repository/,
    },
    {
      says: 'a base that is not there',
      status: 404,
      body: { message: "The target couldn't be found." },
      code: 'missing_scope',
      words: /target couldn't be found/,
    },
    {
      says: 'an archived repository',
      status: 423,
      body: { message: 'Repo is archived' },
      code: 'forge_refused',
      words: /archived/,
    },
    {
      says: 'a limit of the proxy before it',
      status: 429,
      body: {},
      headers: { 'retry-after': '9' },
      code: 'forge_unreachable',
      words: /asks to wait/,
    },
  ],
}
const CASES = (['github', 'gitlab', 'gitea'] as const).flatMap((kind) =>
  REFUSALS[kind].map((refusal) => [kind, refusal.says, refusal] as const),
)

test.each(CASES)('%s: %s is told with the way out, and opens nothing', async (kind, _, { code, words, ...refusal }) => {
  const { standIn, forge } = await aForge(kind)
  standIn.refuseNext('POST', refusal)
  const told = await toldOf(openOrUpdate(forge, wish))
  const again = await openOrUpdate(forge, wish)
  expect({
    code: told.code,
    words: words.test(told.message) ? true : told.message,
    secret: told.message.includes(TOKEN),
    again: again.number,
    pulls: standIn.pulls.length,
    violations: standIn.violations,
  }).toEqual({ code, words: true, secret: false, again: 1, pulls: 1, violations: [] })
})

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: an error behind which the work was done opens no second one; a wrong token, a page and an endless answer are told',
  async (kind) => {
    const { standIn, forge, server } = await aForge(kind)
    standIn.refuseNext('GET', { status: 503, body: { message: 'down for maintenance' } })
    const away = await toldOf(openOrUpdate(forge, wish))
    standIn.loseNext('POST')
    const lost = await toldOf(openOrUpdate(forge, wish))
    const found = await openOrUpdate(forge, { ...wish, body: 'Body of a later task' })
    standIn.loseNext(kind === 'gitlab' ? 'PUT' : 'PATCH')
    const half = await toldOf(
      openOrUpdate(forge, { ...wish, body: 'The last one', title: 'Named', isTitleNamed: true }),
    )
    await openOrUpdate(forge, { ...wish, body: 'The last one', title: 'Named', isTitleNamed: true })
    const { forge: stranger } = await aForge(kind, 'wrong')
    const wrong = await toldOf(openOrUpdate(stranger, wish))
    server.removeAllListeners('request')
    server.on('request', (_asked, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello</p>'))
    const page = await toldOf(openOrUpdate(forge, wish))
    server.removeAllListeners('request')
    server.on('request', (_asked, answer) => {
      answer.writeHead(200, { 'content-type': 'application/json' })
      const piece = Buffer.alloc(1024 * 1024, ' ')
      const more = () => {
        while (!answer.destroyed && answer.write(piece));
      }
      answer.on('drain', more)
      answer.on('error', () => undefined) // the client has had enough
      more()
    })
    const endless = await toldOf(openOrUpdate(forge, wish))
    expect({
      codes: [away, lost, half, wrong, page, endless].map(({ code }) => code),
      endless: endless.message.includes('16 MiB'),
      found: found.number,
      pulls: standIn.pulls.map(({ number, title, body }) => ({ number, title, body })),
      violations: standIn.violations,
    }).toEqual({
      codes: [
        'forge_unreachable',
        'forge_unreachable',
        'forge_unreachable',
        'credential_refused',
        'forge_unreachable',
        'forge_refused',
      ],
      endless: true,
      found: 1,
      pulls: [{ number: 1, title: 'Named', body: expect.stringContaining('The last one') }],
      violations: [],
    })
  },
)

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: beside one that was closed a new one is opened, and that one is brought up to date, among many others',
  async (kind) => {
    const { standIn, forge } = await aForge(kind)
    const first = await openOrUpdate(forge, wish)
    const [pull] = standIn.pulls
    if (pull !== undefined) pull.state = 'closed'
    for (let n = 0; n < 120; n++) {
      standIn.pulls.push({
        number: 2 + n,
        head: `other-${n}`,
        base: 'main',
        draft: false,
        title: 'x',
        body: '',
        state: 'open',
      })
    }
    const second = await openOrUpdate(forge, wish)
    const third = await openOrUpdate(forge, { ...wish, body: 'Later' })
    expect({
      numbers: [first, second, third].map(({ number }) => number),
      open: standIn.pulls.filter(({ head, state }) => head === 'topic' && state === 'open').length,
      later: standIn.pulls.at(-1)?.body.includes('Later'),
      violations: standIn.violations,
    }).toEqual({ numbers: [1, 122, 122], open: 1, later: true, violations: [] })
  },
)

test.each([
  ['gitlab', ['Draft: Title', '[draft] (Draft) Named', 'Draft: Draft: by hand', 'Taken for ready']],
  ['gitea', ['WIP: Title', '[wip] Named', 'WIP: by hand', 'Taken for ready']],
] as const)(
  '%s: a draft stays one under a new title, and what was taken for ready stays ready',
  async (kind, titles) => {
    const { standIn, forge } = await aForge(kind)
    await openOrUpdate(forge, { ...wish, draft: true })
    const seen = [standIn.pulls[0]?.title]
    const name = async (before: string, title: string) => {
      const [pull] = standIn.pulls
      if (pull !== undefined) pull.title = before
      await openOrUpdate(forge, { ...wish, draft: true, title, isTitleNamed: true })
      seen.push(pull?.title)
    }
    await name(titles[1].replace('Named', 'Before'), 'Named')
    await name(titles[2].replace('by hand', 'before'), titles[2])
    await name('Ready', 'Taken for ready')
    expect([seen, standIn.violations]).toEqual([titles, []])
  },
)

test.each(['gitlab', 'gitea'] as const)(
  '%s: a protected branch is one for a token that may not push to it',
  async (kind) => {
    const { standIn, forge } = await aForge(kind)
    standIn.protectedBranches.add('main').add('release')
    standIn.openTo.add('release')
    const seen = [await forge.isProtected('main'), await forge.isProtected('release'), await forge.isProtected('topic')]
    expect([seen, standIn.violations]).toEqual([[true, false, false], []])
  },
)

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: the stand-in names what the service would not take',
  async (kind) => {
    const { standIn, server } = await aForge(kind)
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}${KINDS[kind].api}`
    const pulls = {
      github: '/repos/team/project/pulls',
      gitlab: '/projects/team%2Fproject/merge_requests',
      gitea: '/repos/team/project/pulls',
    }[kind]
    const headers = {
      authorization: `token ${TOKEN}`,
      'private-token': TOKEN,
      accept: 'application/json',
      'user-agent': 'x',
      'content-type': 'application/json',
    }
    const send = (method: string, path: string, body?: object) =>
      fetch(`${base}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const wrong = [
      () => send('GET', `${pulls}?state=opened-or-so`),
      () => send('GET', `${pulls}?state=open&unknown=1`),
      () => send('POST', pulls, { title: 7, head: 'topic' }),
      () => send('DELETE', pulls),
    ]
    const told: number[] = []
    for (const ask of wrong) {
      const before = standIn.violations.length
      await ask()
      told.push(standIn.violations.length > before ? 1 : 0)
    }
    expect(told).toEqual([1, 1, 1, 1])
  },
)
