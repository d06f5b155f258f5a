import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aServerWithStores, type TestServer, TOKEN } from '../server/harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await aServerWithStores()
})
afterAll(() => server?.close())

interface Answer {
  readonly status: number
  readonly etag: string | null
  readonly body: Readonly<Record<string, unknown>>
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      accept: 'application/json',
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    body: (await response.json()) as Answer['body'],
  }
}

const pathOf = (projectId: string): string => `/api/workspace/${projectId}/memory`
const put = (projectId: string, version: string, facts: unknown): Promise<Answer> =>
  ask('PUT', pathOf(projectId), { facts }, { 'if-match': version })

describe('a project’s memory', () => {
  test('is read, edited with the version that was read, and read again', async () => {
    const projectId = await server.aProject()
    expect(await ask('GET', pathOf(projectId))).toEqual({ status: 200, etag: '"0"', body: { version: 0, facts: [] } })
    await ask('POST', `/api/workspace/${projectId}/claude/chat`, { message: 'remember: use tabs' })
    const read = await ask('GET', pathOf(projectId))
    const [fact] = read.body['facts'] as { id: string; text: string; createdAt: string }[]
    expect(read).toMatchObject({ status: 200, etag: '"1"', body: { version: 1, facts: [{ text: 'use tabs' }] } })
    const written = await put(projectId, read.etag ?? '', [fact, { text: '  two   words ' }])
    expect(written).toMatchObject({
      status: 200,
      etag: '"2"',
      body: { version: 2, facts: [fact, { text: 'two words' }] },
    })
    expect(await ask('GET', pathOf(projectId))).toEqual(written)
  })

  test('takes a fact by a field of the chat call and gives it back by its id, once', async () => {
    const projectId = await server.aProject()
    const chat = (remember: unknown): Promise<Answer> =>
      ask('POST', `/api/workspace/${projectId}/claude/chat`, { message: 'Hello', remember })
    const refused = await chat('x'.repeat(501))
    expect([refused.status, Object.keys((refused.body['error'] as { details: object }).details)]).toEqual([
      400,
      ['remember'],
    ])
    expect((await chat(' use   tabs ')).status).toBe(202)
    const [fact] = (await ask('GET', pathOf(projectId))).body['facts'] as { id: string; text: string }[]
    expect(fact?.text).toBe('use tabs')
    const forget = (): Promise<Answer> => ask('DELETE', `${pathOf(projectId)}/${fact?.id}`)
    expect(await forget()).toEqual({ status: 200, etag: '"2"', body: { version: 2, facts: [] } })
    expect((await forget()).status).toBe(404)
  })

  test('cannot be written without the version, or with an old one, which is told', async () => {
    const projectId = await server.aProject()
    const bare = await ask('PUT', pathOf(projectId), { facts: [] })
    expect([bare.status, (bare.body['error'] as { code: string }).code]).toEqual([428, 'precondition_required'])
    await put(projectId, '"0"', [{ text: 'mine' }])
    const late = await put(projectId, '"0"', [{ text: 'yours' }])
    expect(late).toMatchObject({
      status: 409,
      body: { error: { code: 'version_conflict', details: { current: { version: 1, facts: [{ text: 'mine' }] } } } },
    })
    expect((await put(projectId, 'soon', [])).status).toBe(400)
  })

  test.each<[string, unknown, string]>([
    ['more than 100 facts', Array.from({ length: 101 }, (_, n) => ({ text: `fact ${n}` })), 'facts'],
    ['501 characters', [{ text: 'ok' }, { text: 'x'.repeat(501) }], 'facts[1].text'],
    ['an empty fact', [{ text: ' ' }], 'facts[0].text'],
    ['a NUL', [{ text: 'a\0b' }], 'facts[0].text'],
    ['half a surrogate pair', [{ text: 'a\uD83D' }], 'facts[0].text'],
    ['the same fact twice', [{ text: 'Tabs' }, { text: 'x' }, { text: 'tabs' }], 'facts[2].text'],
    ['an unknown field', [{ text: 'x', severity: 'note' }], 'facts[0].severity'],
    ['an id of nobody', [{ id: 'fct_other', text: 'x' }], 'facts[0].id'],
    ['what is no list', 'use tabs', 'facts'],
  ])('refuses %s and names the item; nothing is stored', async (_, facts, field) => {
    const projectId = await server.aProject()
    const answer = await put(projectId, '"0"', facts)
    const error = answer.body['error'] as { code: string; details: object }
    expect([answer.status, error.code, Object.keys(error.details)[0]]).toEqual([400, 'bad_request', field])
    expect((await ask('GET', pathOf(projectId))).body).toEqual({ version: 0, facts: [] })
  })

  test('of a project that does not exist is not found', async () => {
    const answers = [await ask('GET', pathOf('prj_nobody')), await put('prj_nobody', '"0"', [])]
    expect(answers.map((answer) => answer.status)).toEqual([404, 404])
  })
})
