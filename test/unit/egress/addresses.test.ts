import { expect, test } from 'vitest'
import { addressOf, mayDial } from '../../../src/egress/addresses.ts'

const PRIVATE = [
  '127.0.0.1',
  '127.9.9.9',
  '0.0.0.0',
  '10.255.255.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.255.1',
  '100.64.0.1',
  '169.254.169.254',
  '168.63.129.16',
  '192.88.99.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:a00:1',
  'fc00::1',
  'fd12::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '::127.0.0.1',
  '::ffff:0:127.0.0.1',
  '::ffff:0:a00:1',
  '100::1',
  '5f00::1',
]
const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '203.0.113.80',
  '2606:4700:4700::1111',
  '::ffff:8.8.8.8',
]

test('private, loopback, link-local, multicast and disguised addresses are never dialled as public ones', () => {
  expect(PRIVATE.filter((address) => mayDial(address, 'public'))).toEqual([])
  expect(PUBLIC.filter((address) => !mayDial(address, 'public'))).toEqual([])
})

test('text that is no address is not dialled under any rule', () => {
  const texts = ['', 'localhost', '0x7f000001', '2130706433', '127.1', '1.1.1.1\0', '1.1.1.1 ', '[::1]']
  expect(texts.filter((text) => mayDial(text, 'public') || mayDial(text, 'configured'))).toEqual([])
})

test('what the operator configured may be private, but never link-local, multicast or unspecified', () => {
  const allowed = [...PRIVATE, ...PUBLIC].filter((address) => mayDial(address, 'configured'))
  expect(allowed).toEqual(expect.arrayContaining(['127.0.0.1', '10.255.255.1', '192.168.255.1', 'fd12::1', '1.1.1.1']))
  const metadata = ['168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce:0::254']
  const never = ['169.254.169.254', '0.0.0.0', 'fe80::1', '224.0.0.1', '::ffff:169.254.169.254', ...metadata]
  for (const address of never) {
    expect([address, mayDial(address, 'configured')]).toEqual([address, false])
  }
})

test('one private answer among public ones spoils the name, and a missing name looks the same', async () => {
  const answers: Record<string, string[]> = { mixed: ['1.1.1.1', '10.0.0.1'], good: ['1.1.1.1', '8.8.8.8'], empty: [] }
  const resolve = async (host: string) => {
    const found = answers[host]
    if (found === undefined) throw new Error('ENOTFOUND')
    return found
  }
  const found = await Promise.all(
    ['mixed', 'good', 'empty', 'absent'].map((host) => addressOf(host, 'public', resolve)),
  )
  expect(found).toEqual([null, '1.1.1.1', null, null])
})
