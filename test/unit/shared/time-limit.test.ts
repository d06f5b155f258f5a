import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { limitTime } from '../../../src/shared/time-limit.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

function nameOf(reason: unknown): string {
  return reason instanceof Error ? reason.name : String(reason)
}

describe('a time limit', () => {
  test('fires although the garbage was collected meanwhile', async () => {
    const wait = (other: AbortSignal) =>
      new Promise<string>((resolve) => {
        const { signal } = limitTime(50, other)
        signal.addEventListener('abort', () => resolve(nameOf(signal.reason)))
      })
    const waiting = wait(new AbortController().signal)
    collectGarbage()
    expect(await waiting).toBe('TimeoutError')
  })

  test('ends with the other signal and its reason, also when that one had fired before', () => {
    const other = new AbortController()
    const before = limitTime(60_000, other.signal)
    other.abort('left')
    const after = limitTime(60_000, other.signal)
    expect([before.signal.reason, after.signal.reason]).toEqual(['left', 'left'])
  })

  test('lifted it only ends with the other signal, released with nothing', async () => {
    const [one, two] = [new AbortController(), new AbortController()]
    const [lifted, released] = [limitTime(1, one.signal), limitTime(1, two.signal)]
    lifted.lift()
    released.release()
    await new Promise((resolve) => setTimeout(resolve, 20))
    const before = [lifted.signal.aborted, released.signal.aborted]
    one.abort()
    two.abort()
    expect([before, lifted.signal.aborted, released.signal.aborted]).toEqual([[false, false], true, false])
  })
})

test('no other time limit is one that a garbage collection may take away', () => {
  const sources = new URL('../../../src/', import.meta.url)
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file))
  const weak = files.filter((file) => /AbortSignal\.timeout\(/.test(readFileSync(new URL(file, sources), 'utf8')))
  expect([files.length > 100, weak]).toEqual([true, []])
})
