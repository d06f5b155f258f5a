import { expect, test } from 'vitest'
import { gitHostOf, HOST_REFUSED } from '../../../src/sources/git-host.ts'

const told = (url: string, origins: readonly string[] = []) => {
  try {
    return gitHostOf(url, origins)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

test.each([
  'https://127.0.0.1/x',
  'https://127.1:8443/x',
  'https://0x7f000001/x',
  'https://017700000001/x',
  'https://2130706433/x',
  'https://[::1]/x',
  'https://[::ffff:10.0.0.1]/x',
  'https://8.8.8.8/x',
  'https://localhost/x',
  'https://LOCALHOST./x',
  'https://a.localhost/x',
  'https://printer.local/x',
  'https://git.internal/x',
  'https://git/x',
  'http://git.example.com/x',
  'ssh://git.example.com/x',
  'https://[::1/x',
  'not an address',
])('%s is refused in the one sentence', (url) => {
  expect(told(url)).toBe(HOST_REFUSED)
})

test('a public name is taken in one form, a named origin as it is, and no other port of it', () => {
  const origins = ['https://127.0.0.1:8443', 'https://git.internal', 'https://[::1]:9443']
  expect([
    told('https://Git.Example.COM/x'),
    told('https://git.example.com:8443/x'),
    told('https://127.0.0.1:8443/x', origins),
    told('https://git.internal/x', origins),
    told('https://[::1]:9443/x', origins),
    told('https://127.0.0.1:8444/x', origins),
    told('https://git.internal:8443/x', origins),
  ]).toEqual([
    { host: 'git.example.com', port: 443, authority: 'git.example.com:443', isNamed: false },
    { host: 'git.example.com', port: 8443, authority: 'git.example.com:8443', isNamed: false },
    { host: '127.0.0.1', port: 8443, authority: '127.0.0.1:8443', isNamed: true },
    { host: 'git.internal', port: 443, authority: 'git.internal:443', isNamed: true },
    { host: '::1', port: 9443, authority: '[::1]:9443', isNamed: true },
    HOST_REFUSED,
    HOST_REFUSED,
  ])
})
