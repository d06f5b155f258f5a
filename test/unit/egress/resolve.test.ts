import { expect, test } from 'vitest'
import { limitResolve, resolvePatiently } from '../../../src/egress/resolve.ts'

const fault = (code: string) => Object.assign(new Error(`getaddrinfo ${code}`), { code })
const FAST = { tryTimeoutMs: 30, pausesMs: [1, 1] }

/** What becomes of a question to a resolver with these answers, and how often it was asked. */
async function asked(answers: readonly (string | string[] | null)[]): Promise<readonly [unknown, number]> {
  let calls = 0
  const resolve = resolvePatiently(async () => {
    const answer = answers[Math.min(calls++, answers.length - 1)]
    if (answer === null || answer === undefined) return await new Promise<never>(() => undefined)
    if (typeof answer === 'string') throw fault(answer)
    return answer
  }, FAST)
  const outcome = await resolve('a.example').catch((error: Error) => error.message)
  return [outcome, calls]
}

test('an answer that only says "not now" is asked for again, one that says "no such name" is final', async () => {
  expect({
    again: await asked(['EAI_AGAIN', ['1.1.1.1']]),
    twice: await asked(['EAI_AGAIN', 'EAI_FAIL', ['1.1.1.1']]),
    silent: await asked([null, ['1.1.1.1']]),
    none: await asked(['ENOTFOUND']),
    noneAfterAll: await asked(['EAI_AGAIN', 'ENOTFOUND']),
    never: await asked(['EAI_AGAIN']),
    alwaysSilent: await asked([null]),
  }).toEqual({
    again: [['1.1.1.1'], 2],
    twice: [['1.1.1.1'], 3],
    silent: [['1.1.1.1'], 2],
    none: ['getaddrinfo ENOTFOUND', 1],
    noneAfterAll: ['getaddrinfo ENOTFOUND', 2],
    never: ['getaddrinfo EAI_AGAIN', 3],
    alwaysSilent: ['the resolver does not answer', 2],
  })
})

test('who asks for a name that is being asked for shares the question, and the next one asks anew', async () => {
  let calls = 0
  const resolve = resolvePatiently(async () => [`1.1.1.${++calls}`], FAST)
  expect(await Promise.all([resolve('a.example'), resolve('a.example')])).toEqual([['1.1.1.1'], ['1.1.1.1']])
  expect(await resolve('a.example')).toEqual(['1.1.1.2'])
})

test('one asker has so many questions under way and no more; the others have their turn, whatever became of those', async () => {
  const open: ((fails: boolean) => void)[] = []
  const resolve = limitResolve(
    (host) => new Promise((done, fail) => open.push((fails) => (fails ? fail(fault('ENOTFOUND')) : done([host])))),
    2,
  )
  const answers = Promise.allSettled(['a', 'b', 'c', 'd'].map((host) => resolve(host)))
  const underWay = [open.length]
  for (const fails of [true, false, true, false]) {
    open.shift()?.(fails)
    await new Promise((done) => setImmediate(done))
    underWay.push(open.length)
  }
  expect(underWay).toEqual([2, 2, 2, 1, 0])
  expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
})
