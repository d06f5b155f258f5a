import { expect, test } from 'vitest'
import { credentialFor, decideByPolicy, parseAuthority, withStoredTokens } from '../../../src/egress/decision.ts'
import { hostEntryFault, isListed } from '../../../src/shared/network.ts'

const registries = [
  { host: 'packages.example.com', port: 443, scheme: 'https' as const },
  { host: 'mirror', port: 4873, scheme: 'http' as const },
]
const decide = (
  policy: 'none' | 'registries' | 'hosts' | 'open',
  host: string,
  port = 443,
  kind: 'connect' | 'http' = 'connect',
) =>
  decideByPolicy({ policy, hosts: ['api.example.org', '*.cdn.example.org'] }, registries, { host, port, kind }).action

test('each policy allows what it says and nothing else', () => {
  const hosts = [
    'packages.example.com',
    'api.example.org',
    'a.b.cdn.example.org',
    'cdn.example.org',
    'elsewhere.example',
  ]
  const table = Object.fromEntries(
    (['none', 'registries', 'hosts', 'open'] as const).map((policy) => [
      policy,
      hosts.map((host) => decide(policy, host)),
    ]),
  )
  expect(table).toEqual({
    none: ['refuse', 'refuse', 'refuse', 'refuse', 'refuse'],
    registries: ['read', 'refuse', 'refuse', 'refuse', 'refuse'],
    hosts: ['read', 'tunnel', 'tunnel', 'refuse', 'refuse'],
    open: ['read', 'tunnel', 'tunnel', 'tunnel', 'tunnel'],
  })
})

test('ports other than 80 and 443 are only those of a configured registry', () => {
  expect([
    decide('open', 'elsewhere.example', 22),
    decide('open', 'elsewhere.example', 80, 'http'),
    decide('registries', 'mirror', 4873, 'http'),
    decide('registries', 'mirror', 4873),
    decide('registries', 'packages.example.com', 8443),
  ]).toEqual(['refuse', 'tunnel', 'read', 'refuse', 'refuse'])
})

test('an authority is a plain name and a port', () => {
  expect([parseAuthority('Example.COM.:443'), parseAuthority('example.com', 80)]).toEqual([
    { host: 'example.com', port: 443 },
    { host: 'example.com', port: 80 },
  ])
  const refused = [
    '',
    ':443',
    'example.com',
    'example.com:',
    'example.com:0',
    'example.com:65536',
    'example.com:443:80',
    'a@example.com:443',
    '127.0.0.1:443',
    '127.1:443',
    '2130706433:443',
    '0x7f000001:443',
    '0177.0.0.1:443',
    '[::1]:443',
    '::1:443',
    'example.com\0.allowed.example:443',
    'exa mple.com:443',
    'example..com:443',
    '-example.com:443',
    'exämple.com:443',
    'example.com/:443',
    'example.com#:443',
    `${'a'.repeat(64)}.com:443`,
  ]
  expect(refused.filter((text) => parseAuthority(text) !== null)).toEqual([])
})

test('a policy takes host names and wildcards below a domain, and says what is wrong with the rest', () => {
  expect(
    ['api.example.com', '*.example.com', 'xn--exmple-cua.com'].filter((entry) => hostEntryFault(entry) !== null),
  ).toEqual([])
  const refused = [
    'https://example.com',
    'example.com:443',
    'example.com/path',
    '*.com',
    '*',
    '*example.com',
    'a.*.com',
    '127.0.0.1',
    '10.1',
    '::1',
    '[::1]',
    'Example.com',
    'example.com.',
    'localhost',
    'a\0b.com',
    '',
    ' example.com',
    'exämple.com',
  ]
  expect(refused.filter((entry) => hostEntryFault(entry) === null)).toEqual([])
})

test('a stored token goes first at its registry, makes another host one at a public address, and never goes in plain HTTP', () => {
  const tool = { pathPrefix: '/', authorization: 'Bearer tool' }
  const known = [
    { host: 'npm.example.com', port: 443, scheme: 'https', credentials: [tool] },
    { host: 'plain.example.com', port: 8080, scheme: 'http' },
  ] as const
  const token = (host: string, port: number) =>
    ({
      host,
      port,
      scheme: 'https',
      addresses: 'public',
      credentials: [{ pathPrefix: '/', authorization: 'Bearer stored', id: 'crd_1' }],
    }) as const
  const stored = [token('npm.example.com', 443), token('plain.example.com', 8080), token('new.example.com', 443)]
  const registries = withStoredTokens(known, stored)
  const decide = (host: string, port: number, kind: 'connect' | 'http' = 'connect') =>
    decideByPolicy({ policy: 'registries', hosts: [] }, registries, { host, port, kind })
  expect({
    known: [
      decide('npm.example.com', 443),
      credentialFor(registries, { host: 'npm.example.com', port: 443 }, '/x')?.id,
    ],
    plain: credentialFor(registries, { host: 'plain.example.com', port: 8080 }, '/x'),
    fresh: decide('new.example.com', 443),
    other: decide('other.example.com', 443).action,
  }).toEqual({
    known: [{ action: 'read', addresses: 'configured' }, 'crd_1'],
    plain: undefined,
    fresh: { action: 'read', addresses: 'public' },
    other: 'refuse',
  })
})

test('a credential goes where its path leads, not where it only seems to', () => {
  const registry = {
    host: 'packages.example.com',
    port: 443,
    scheme: 'https',
    credentials: [{ pathPrefix: '/private/', authorization: 'Bearer secret' }],
  } as const
  const paths = [
    '/private/a',
    '/private/../other/a',
    '/private/%2e%2e/other/a',
    '/private/.././private/a',
    '/other/a',
    '',
  ]
  const sent = paths.filter((path) => credentialFor([registry], registry, path) !== undefined)
  expect(sent).toEqual(['/private/a', '/private/.././private/a'])
})

test('a wildcard stands for names below, never for a name that only ends alike', () => {
  const entries = ['*.example.com']
  expect(
    ['a.example.com', 'a.b.example.com', 'example.com', 'evilexample.com', 'example.com.evil'].map((host) =>
      isListed(host, entries),
    ),
  ).toEqual([true, true, false, false, false])
})
