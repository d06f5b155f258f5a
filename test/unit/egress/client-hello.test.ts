import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readFirstBytes } from '../../../src/egress/client-hello.ts'

function vector(lengthBytes: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(body.length, 0, lengthBytes)
  return Buffer.concat([length, body])
}

const nameEntry = (name: string) => Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))])
const extension = (type: number, body: Buffer) => Buffer.concat([Buffer.from([0, type]), vector(2, body)])

function hello(...extensions: readonly Buffer[]): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32)),
    vector(2, Buffer.from([0x13, 1])),
    vector(1, Buffer.from([0])),
    vector(2, ...extensions),
  ])
  return Buffer.concat([Buffer.from([1]), vector(3, body)])
}

const record = (message: Buffer) => Buffer.concat([Buffer.from([22, 3, 1]), vector(2, message)])
const named = (...names: readonly string[]) => extension(0, vector(2, ...names.map(nameEntry)))

test('the name is found behind other extensions, in lower case, over several records and pieces', () => {
  const message = hello(extension(43, Buffer.from([2, 3, 4])), named('Files.Example.'))
  const records = Buffer.concat([
    record(message.subarray(0, 3)),
    record(message.subarray(3, 60)),
    record(message.subarray(60)),
  ])
  const kinds = Array.from({ length: records.length }, (_, end) => readFirstBytes(records.subarray(0, end)).kind)
  expect([readFirstBytes(record(message)), readFirstBytes(records), new Set(kinds)]).toEqual([
    { kind: 'tls', name: 'files.example' },
    { kind: 'tls', name: 'files.example' },
    new Set(['more']),
  ])
})

test.each([
  ['no name', hello()],
  ['two names', hello(named('a.example', 'b.example'))],
  ['a name with a NUL', hello(named('a.example\0b.example'))],
  ['a length that leads out', hello(Buffer.from([0, 0, 0xff, 0xff, 0]))],
])('%s is none', (_what, message) => {
  expect(readFirstBytes(record(message))).toEqual({ kind: 'tls', name: null })
})

test.each([
  ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  ['another message of TLS', record(Buffer.from([2, 0, 0, 0]))],
  ['a message without end', Buffer.concat([record(Buffer.from([1, 0xff, 0xff, 0xff]))])],
])('%s is no greeting of TLS', (_what, bytes) => {
  expect(readFirstBytes(bytes)).toEqual({ kind: 'other' })
})

test('no bytes at all make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isHello) => {
      const given = isHello
        ? record(Buffer.concat([Buffer.from([1]), vector(3, Buffer.from(bytes))]))
        : Buffer.from(bytes)
      expect(['more', 'other', 'tls']).toContain(readFirstBytes(given).kind)
    }),
  )
})
