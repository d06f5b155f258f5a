import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendRequest } from '../../../src/model/send-request.ts'

const TEXT = 'event: ping\ndata: {}\n\n'
const STREAM = { 'content-type': 'text/event-stream; charset=utf-8' }

let answer: (response: ServerResponse) => void
const server = createServer((_, response) => answer(response))
let url: string

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/messages`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test.each([
  ['nothing', {}, Buffer.from(TEXT)],
  ['gzip', { 'content-encoding': 'gzip' }, gzipSync(TEXT)],
  ['Brotli', { 'content-encoding': 'br' }, brotliCompressSync(TEXT)],
])('an event stream is read as it comes, encoded by %s', async (_, headers, bytes) => {
  answer = (response) => void response.writeHead(200, { ...STREAM, ...headers }).end(bytes)
  expect(await textOf(await sendRequest(url, { method: 'POST', body: '{}' }))).toBe(TEXT)
})

test.each([
  ['plain', {}],
  ['encoded', { 'content-encoding': 'gzip' }],
])('a %s stream that breaks is an error for whoever reads it, and for nobody else', async (_, headers) => {
  answer = (response) => {
    response.writeHead(200, { ...STREAM, ...headers }).write(gzipSync(TEXT).subarray(0, 10))
    setImmediate(() => response.destroy())
  }
  const unread = await sendRequest(url)
  const read = await sendRequest(url)
  await expect(textOf(read)).rejects.toThrow(/terminated|closed|end/)
  // Nobody reads this one; an error without a listener would end the process, and this test.
  await expect.poll(() => (unread.body as unknown as { destroyed: boolean }).destroyed).toBe(true)
})

test('a call that is given up ends with the reason that was given', async () => {
  answer = (response) => void response.writeHead(200, STREAM).write(TEXT)
  const abort = new AbortController()
  const response = await sendRequest(url, { signal: abort.signal })
  const reading = textOf(response)
  abort.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
})
