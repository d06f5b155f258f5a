import { expect, test } from 'vitest'
import {
  type Destination,
  hostProxiesOf,
  NO_PROXIES,
  proxyAuthorization,
  proxyFor,
} from '../../../src/egress/host-proxy.ts'

const TLS: Destination = { host: 'files.example.com', port: 443, scheme: 'https' }

test('the variables of other programs are read, the lower-case ones first', () => {
  expect({
    none: hostProxiesOf({}),
    both: hostProxiesOf({ https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:2', HTTP_PROXY: 'plain:3128' }),
    all: hostProxiesOf({ ALL_PROXY: 'http://all:1', no_proxy: ' .Example.com, *.corp  localhost:8080' }),
    others: hostProxiesOf({ HTTPS_PROXY: 'socks5://s:1', HTTP_PROXY: 'http://[::' }),
  }).toEqual({
    none: NO_PROXIES,
    both: { https: 'http://low:1/', http: 'http://plain:3128/', none: [] },
    all: { https: 'http://all:1/', http: 'http://all:1/', none: ['example.com', 'corp', 'localhost:8080'] },
    others: NO_PROXIES,
  })
})

test.each([
  [[], true],
  [['example.com'], false],
  [['files.example.com:443'], false],
  [['files.example.com:8443'], true],
  [['ample.com'], true],
  [['*'], false],
])('with NO_PROXY %j a name goes through the proxy: %s', (none, expected) => {
  expect(proxyFor({ https: 'http://proxy:1/', http: null, none }, TLS) !== null).toBe(expected)
})

test('the other scheme has its own proxy, and a user is told to the proxy alone', () => {
  const proxies = { https: 'http://me:s%20ecret@proxy:1/', http: null, none: [] }
  const proxy = proxyFor(proxies, TLS)
  expect([proxyFor(proxies, { ...TLS, scheme: 'http' }), proxy === null ? null : proxyAuthorization(proxy)]).toEqual([
    null,
    { 'proxy-authorization': `Basic ${Buffer.from('me:s ecret').toString('base64')}` },
  ])
})
