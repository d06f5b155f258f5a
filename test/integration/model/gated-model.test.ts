import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import { createGatedModel } from '../../../src/model/gated-model.ts'
import type { ModelWait } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import type { ScriptedServer } from '../../../src/standin/server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { aListener, aRequest, aServer } from './support.ts'

const TASKS = 50

let server: ScriptedServer
beforeAll(async () => {
  server = await aServer()
})
afterEach(() => {
  server.disarm()
  server.setPace({ ttftMs: 0, tokensPerSecond: 0 })
})
afterAll(() => server.close())

const aModel = (options: Parameters<typeof createGatedModel>[1] = {}) =>
  createGatedModel(createAnthropicModel({ apiKey: 'k', baseUrl: server.url, kind: 'scripted' }), options)
const calls = () => server.journal().length

/** Has the gate of this model opened by calls that fail. */
async function openGate(model: ReturnType<typeof aModel>): Promise<void> {
  server.arm({ kind: 'unavailable', times: 1_000_000 })
  const failing = () => model.stream(aRequest(), aListener()).catch((error: unknown) => error)
  await Promise.all(Array.from({ length: 5 }, failing))
}

describe('with the model away', () => {
  test('fifty tasks that try again and again make few calls, wait visibly, and all get their reply afterwards', async () => {
    const model = aModel({ noticeAfterMs: 100 })
    server.arm({ kind: 'unavailable', times: 1_000_000 })
    const begun = calls()
    const waits: ModelWait[] = []
    let failed = 0
    const task = async (): Promise<string> => {
      for (let attempt = 1; attempt <= 30; attempt++) {
        try {
          const onWaiting = (wait: ModelWait) => Promise.resolve(void waits.push(wait))
          const reply = await model.stream(aRequest(), aListener({ onWaiting }))
          return reply.stopReason
        } catch (error) {
          expect(error).toMatchObject({ code: 'model_overloaded' })
          failed++
          await new Promise((resolve) => setTimeout(resolve, 50 * Math.random()))
        }
      }
      return 'gave up'
    }
    const tasks = Array.from({ length: TASKS }, task)
    // All that are on their way fail, and a few that come back before the gate opens; then there is one trial a pause.
    await waitFor(() => failed >= TASKS + 3, 'three trials have failed', 30_000)
    const whileAway = calls() - begun
    server.disarm()
    const replies = await Promise.all(tasks)
    expect({
      isBounded: whileAway <= TASKS + 15,
      replies: new Set(replies),
      waiters: waits.length >= TASKS - 5,
      wait: waits.at(-1),
      after: calls() - begun - whileAway,
    }).toEqual({
      isBounded: true,
      replies: new Set(['end_turn']),
      waiters: true,
      wait: {
        code: 'model_overloaded',
        failures: expect.any(Number),
        waiting: expect.any(Number),
        delayMs: expect.any(Number),
      },
      after: TASKS,
    })
  })

  test('a call that waits ends at once when its signal says so, without a call, and gives signs of life till then', async () => {
    const model = aModel()
    await openGate(model)
    const before = calls()
    const abort = new AbortController()
    const reason = new Error('CANCELLED')
    const waiting = model.stream(aRequest(), aListener({ signal: abort.signal })).catch((error: unknown) => error)
    abort.abort(reason)
    expect([await waiting, calls() - before]).toEqual([reason, 0])
  })

  test('a call that waited too long gives its place back with the code of what went wrong', async () => {
    const model = aModel({ maxWaitMs: 50 })
    await openGate(model)
    const before = calls()
    const failure = await model.stream(aRequest(), aListener()).catch((error: unknown) => error)
    expect([failure instanceof AppError && [failure.code, failure.retryable], calls() - before]).toEqual([
      ['model_overloaded', true],
      0,
    ])
  })

  test('a wait that nobody could be told of ends with that error', async () => {
    const model = aModel({ noticeAfterMs: 1 })
    await openGate(model)
    const lost = new AppError('lease_lost', 'Another attempt took over.')
    const listener = aListener({ onWaiting: () => Promise.reject(lost) })
    expect(await model.stream(aRequest(), listener).catch((error: unknown) => error)).toBe(lost)
  })
})

test('calls of another model pass while one is away', async () => {
  const model = aModel()
  await openGate(model)
  server.disarm()
  const before = calls()
  const reply = await model.stream(aRequest({ model: 'claude-haiku-5-5' }), aListener())
  expect([reply.stopReason, calls() - before]).toEqual(['end_turn', 1])
})

test('a key that is refused, or a spending limit, does not hold up anybody else', async () => {
  const model = aModel()
  server.arm({ kind: 'unauthorized', times: 5 }, { kind: 'spend_limit', times: 5 })
  const failing = () => model.stream(aRequest(), aListener()).catch((error: unknown) => (error as AppError).code)
  const codes = await Promise.all(Array.from({ length: 10 }, failing))
  expect(codes.toSorted()).toEqual([...Array(5).fill('model_auth_failed'), ...Array(5).fill('model_spend_limit')])
  expect((await model.stream(aRequest(), aListener())).stopReason).toBe('end_turn')
})
