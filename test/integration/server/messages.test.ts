import { afterAll, beforeAll, expect, test } from 'vitest'
import { aServerWithStores, type TestServer, TOKEN } from './harness.ts'
import { readSse } from './sse-client.ts'

let server: TestServer
beforeAll(async () => {
  server = await aServerWithStores()
})
afterAll(() => server?.close())

interface Listed {
  readonly items: readonly { readonly id: string; readonly status: string }[]
  readonly nextAfter: string | null
}

async function call<Answer>(method: string, path: string, body?: object): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, accept: 'application/json', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as Answer }
}

async function aTalk(count: number): Promise<{ projectId: string; messages: string; ids: string[] }> {
  const projectId = await server.aProject()
  const ids: string[] = []
  let messages = ''
  for (let n = 0; n < count; n++) {
    const chat = { message: `${n}`, delivery: 'queue' }
    const { body } = await call<{ messageId: string; conversationId: string }>(
      'POST',
      `/api/workspace/${projectId}/claude/chat`,
      chat,
    )
    ids.push(body.messageId)
    messages = `/api/conversations/${body.conversationId}/messages`
  }
  return { projectId, messages, ids }
}

test('messages are listed oldest first, or newest first when asked; another order is a 400 that names the field', async () => {
  const { messages, ids } = await aTalk(3)
  const list = async (query: string) => {
    const { body } = await call<Listed>('GET', `${messages}${query}`)
    return [body.items.map(({ id }) => ids.indexOf(id)), body.nextAfter === null ? null : ids.indexOf(body.nextAfter)]
  }
  const wrong = await call<{ error: { code: string; details: object } }>('GET', `${messages}?order=upwards`)
  expect({
    plain: await list(''),
    newest: await list('?order=newest&limit=2'),
    earlier: await list(`?order=newest&limit=2&after=${ids[1]}`),
    wrong: [wrong.status, wrong.body.error.code, Object.keys(wrong.body.error.details)],
  }).toEqual({
    plain: [[0, 1, 2], null],
    newest: [[2, 1], 1],
    earlier: [[0], null],
    wrong: [400, 'bad_request', ['order']],
  })
})

test('a queued message is taken back once, for every viewer; what began a task or is not there is refused', async () => {
  const { projectId, messages, ids } = await aTalk(2)
  const [first, queued] = ids
  const url = `${server.url}/api/workspace/${projectId}/events?after=0`
  const viewers = await Promise.all([readSse(url), readSse(url)])
  const kicks = server.kicks()
  const remove = async (id: string | undefined) => {
    const { status, body } = await call<{ error: { code: string } } | undefined>('DELETE', `${messages}/${id}`)
    return [status, body?.error.code]
  }
  const answers = [await remove(queued), await remove(queued), await remove(first), await remove('msg_none')]
  const kicked = server.kicks() > kicks
  const told = await Promise.all(viewers.map(async (viewer) => (await viewer.has('message.withdrawn')).data))
  const { body } = await call<Listed>('GET', messages)
  await Promise.all(viewers.map((viewer) => viewer.close()))
  expect({ answers, kicked, statuses: body.items.map(({ status }) => status) }).toEqual({
    answers: [
      [204, undefined],
      [204, undefined],
      [409, 'message_claimed'],
      [404, 'not_found'],
    ],
    kicked: true,
    statuses: ['queued', 'cancelled'],
  })
  expect(told).toEqual([
    expect.objectContaining({ type: 'message.withdrawn', messageId: queued }),
    expect.objectContaining({ type: 'message.withdrawn', messageId: queued }),
  ])
})
