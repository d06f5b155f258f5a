import { expect, test } from 'vitest'
import type { Log } from '../../../src/logger.ts'
import { runUntilTold } from '../../../src/worker/run-until-told.ts'

const said: string[] = []
const log = { warn: (_: object, message: string) => void said.push(message) } as unknown as Log
const failing = { run: () => Promise.reject(new Error('Worker still in use')) }

test('a worker that was told to end and cannot end its work in time is no failure of the process', async () => {
  const ended = [
    await runUntilTold({ run: () => Promise.resolve() }, AbortSignal.abort(), log),
    await runUntilTold(failing, AbortSignal.abort(), log),
  ]
  expect([ended, said]).toEqual([[true, false], ['the worker ends before its work did; another one goes on with it']])
})

test('a worker that nobody told to end fails with what ended it', async () => {
  await expect(runUntilTold(failing, new AbortController().signal, log)).rejects.toThrow('Worker still in use')
})
