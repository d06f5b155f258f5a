import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeLinkToken } from '../../../src/shared/sign-in-link.ts'
import { aDatabase, anOwnRedis, aServer, type OwnRedis, type TestServer, TOKEN } from './harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let redis: OwnRedis | undefined
let plain: TestServer
let proxied: TestServer

beforeAll(async () => {
  database = await aDatabase()
  redis = await anOwnRedis()
  const stores = { databaseUrl: database.url, redisUrl: redis.url }
  plain = await aServer(stores)
  proxied = await aServer({
    ...stores,
    trustedProxies: ['127.0.0.0/8'],
    settings: { allowedHosts: ['keelson.example'] },
  })
})
afterAll(async () => {
  await plain?.close()
  await proxied?.close()
  await redis?.close()
  await database?.drop()
})

const BEHIND_TLS = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'keelson.example' }

async function post(at: TestServer, path: string, body: object, headers: Record<string, string> = {}) {
  return await fetch(`${at.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** The cookie as it was set, and as a browser sends it. */
async function signIn(at: TestServer, headers: Record<string, string> = {}) {
  const answer = await post(at, '/api/session', { apiToken: TOKEN }, headers)
  const set = answer.headers.get('set-cookie') ?? ''
  return { status: answer.status, set, cookie: set.split(';')[0] ?? '' }
}

async function statusOf(at: TestServer, cookie: string): Promise<number> {
  return (await fetch(`${at.url}/api/projects`, { headers: { cookie } })).status
}

describe('a sign-in', () => {
  test('by the API token gives a cookie that is not the token, works and is another one each time', async () => {
    const [one, other] = [await signIn(plain), await signIn(plain)]
    expect({
      statuses: [one.status, await statusOf(plain, one.cookie), await statusOf(plain, other.cookie)],
      isToken: one.set.includes(TOKEN),
      isSame: one.cookie === other.cookie,
      flags: ['HttpOnly', 'SameSite=Strict', 'Path=/'].filter((flag) => !one.set.includes(flag)),
    }).toEqual({ statuses: [204, 200, 200], isToken: false, isSame: false, flags: [] })
  })

  test('is refused for another token, for both kinds at once, and for none', async () => {
    const answers = await Promise.all(
      [{ apiToken: 'wrong' }, { apiToken: TOKEN, setupToken: 'x' }, {}].map((body) =>
        post(plain, '/api/session', body),
      ),
    )
    expect(answers.map((answer) => [answer.status, answer.headers.get('set-cookie')])).toEqual([
      [401, null],
      [400, null],
      [400, null],
    ])
  })

  test('by a link that the holder of the token made works once, at whichever process', async () => {
    const [link, forged] = [makeLinkToken(TOKEN, Date.now()), makeLinkToken('another token of 16', Date.now())]
    const first = await post(plain, '/api/session', { setupToken: link })
    const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const [second, elsewhere, wrong] = await Promise.all([
      post(plain, '/api/session', { setupToken: link }),
      post(proxied, '/api/session', { setupToken: link }),
      post(plain, '/api/session', { setupToken: forged }),
    ])
    expect({
      statuses: [first.status, await statusOf(plain, cookie)],
      refused: [second.status, elsewhere.status, wrong.status],
    }).toEqual({ statuses: [204, 200], refused: [401, 401, 401] })
  })

  test('ends on the server, at every process, and ends no other', async () => {
    const [mine, other] = [await signIn(plain), await signIn(plain)]
    expect(await statusOf(plain, mine.cookie)).toBe(200)
    const out = await post(plain, '/api/sign-out', {}, { cookie: mine.cookie })
    const again = await post(plain, '/api/sign-out', {}, { cookie: mine.cookie })
    expect({
      out: [out.status, /keelson_session=;/.test(out.headers.get('set-cookie') ?? '')],
      again: again.status,
      mine: [await statusOf(plain, mine.cookie), await statusOf(proxied, mine.cookie)],
      other: await statusOf(plain, other.cookie),
    }).toEqual({ out: [204, true], again: 401, mine: [401, 401], other: 200 })
  })

  test('ends everywhere at a word, and the API token still works and signs in anew', async () => {
    const [one, other] = [await signIn(plain), await signIn(plain)]
    const out = await post(plain, '/api/sign-out', { everywhere: true }, { authorization: `Bearer ${TOKEN}` })
    const bearer = await fetch(`${plain.url}/api/projects`, { headers: { authorization: `Bearer ${TOKEN}` } })
    const anew = await signIn(plain)
    expect([out.status, await statusOf(plain, one.cookie), await statusOf(plain, other.cookie), bearer.status]).toEqual(
      [204, 401, 401, 200],
    )
    expect(await statusOf(plain, anew.cookie)).toBe(200)
  })

  test('of an earlier version, or one that was ended, asks to sign in again and counts as no wrong try', async () => {
    const former = createHmac('sha256', TOKEN).update('keelson session 1').digest('base64url')
    const statuses = new Set<number>()
    for (let call = 0; call < 30; call++) statuses.add(await statusOf(plain, `keelson_session=${former}`))
    expect([...statuses]).toEqual([401])
  })
})

describe('behind a proxy that ends TLS', () => {
  test('the cookie is Secure and bound to the host, when the proxy is trusted', async () => {
    const secure = await signIn(proxied, BEHIND_TLS)
    const untrusted = await signIn(plain, { 'x-forwarded-proto': 'https' })
    const clear = await signIn(proxied)
    expect({
      secure: [secure.status, secure.cookie.startsWith('__Host-keelson_session='), /; Secure/.test(secure.set)],
      works: await statusOf(proxied, secure.cookie),
      untrusted: [untrusted.status, /; Secure/.test(untrusted.set)],
      clear: [clear.status, /; Secure/.test(clear.set)],
    }).toEqual({ secure: [204, true, true], works: 200, untrusted: [204, false], clear: [204, false] })
    const out = await post(proxied, '/api/sign-out', {}, { ...BEHIND_TLS, cookie: secure.cookie })
    expect([out.status, await statusOf(proxied, secure.cookie)]).toEqual([204, 401])
  })

  test('the name and the scheme that the client used count, and only the proxy’s word for them', async () => {
    const ask = async (at: TestServer, headers: Record<string, string>) =>
      (await post(at, '/api/session', { apiToken: TOKEN }, headers)).status
    expect({
      own: await ask(proxied, { ...BEHIND_TLS, origin: 'https://keelson.example' }),
      foreign: await ask(proxied, { ...BEHIND_TLS, origin: 'https://evil.example' }),
      downgraded: await ask(proxied, { ...BEHIND_TLS, origin: 'http://keelson.example' }),
      evilHost: await ask(proxied, { ...BEHIND_TLS, 'x-forwarded-host': 'evil.example' }),
      // The client wrote the first, the proxy the last.
      appended: await ask(proxied, { ...BEHIND_TLS, 'x-forwarded-host': 'evil.example, keelson.example' }),
      untrusted: await ask(plain, { ...BEHIND_TLS, origin: 'https://keelson.example' }),
    }).toEqual({ own: 204, foreign: 403, downgraded: 403, evilHost: 403, appended: 204, untrusted: 403 })
  })

  test('wrong tries count for the client’s own address, not for the proxy’s', async () => {
    const tryFrom = async (address: string) =>
      (await post(proxied, '/api/session', { apiToken: 'wrong' }, { 'x-forwarded-for': address })).status
    const first: number[] = []
    for (let call = 0; call < 21; call++) first.push(await tryFrom('203.0.113.5'))
    expect([first.at(-2), first.at(-1), await tryFrom('203.0.113.6'), await tryFrom('1.1.1.1, 203.0.113.5')]).toEqual([
      401, 429, 401, 429,
    ])
  })
})
