import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import { aListener, aRequest } from './support.ts'

const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

function start(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/standin/main.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  return child
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  if (!stream) throw new Error('the process has no such stream')
  const [line] = (await once(createInterface({ input: stream }), 'line')) as [string]
  return line
}

test('the process says where it listens, serves the demonstration, and ends cleanly with calls in flight', async () => {
  const child = start('--ttft-ms', '1')
  const { url } = JSON.parse(await firstLine(child.stdout)) as { url: string }
  const model = createAnthropicModel({ apiKey: 'k', baseUrl: url })
  const request = aRequest({ messages: [{ role: 'user', content: [{ type: 'text', text: 'run pwd' }] }] })
  const { content } = await model.stream(request, aListener())
  expect(content.at(-1)).toMatchObject({ name: 'bash', input: { command: 'pwd' } })

  await fetch(`${url}/_keelson/faults`, { method: 'POST', body: '[{"kind":"hang"}]' })
  const hanging = model.stream(request, aListener()).catch((error: { code: string }) => error.code)
  await expect
    .poll(async () => ((await (await fetch(`${url}/_keelson/journal`)).json()) as { items: unknown[] }).items.length)
    .toBe(2)
  child.kill('SIGTERM')
  const [[code], failure] = await Promise.all([once(child, 'exit'), hanging])
  expect({ code, failure }).toEqual({ code: 0, failure: 'model_unreachable' })
}, 30_000)

test('the process refuses an unknown policy in a sentence', async () => {
  const child = start('--policy', 'oracle')
  const exit = once(child, 'exit')
  expect(await firstLine(child.stderr)).toMatch(/must be one of demo, list, plain-language, sample-project/)
  expect((await exit)[0]).toBe(1)
}, 30_000)
