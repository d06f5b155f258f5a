import { beforeEach, describe, expect, test } from 'vitest'
import { armCrashPoint, CRASH_POINTS, hitCrashPoint } from '../../../src/shared/crash-points.ts'

/** Arms a point that no test hits, which disarms the one before. */
function disarm(): void {
  armCrashPoint('accept.after_commit@1000000', () => undefined)
}

describe('crash points', () => {
  beforeEach(disarm)

  test('one that is not armed does nothing', () => {
    expect(() => CRASH_POINTS.forEach(hitCrashPoint)).not.toThrow()
  })

  test('dies at the armed point only, and once', () => {
    const died: string[] = []
    armCrashPoint('reply.stored', () => died.push('here'))
    for (const point of [...CRASH_POINTS, ...CRASH_POINTS]) hitCrashPoint(point)
    expect(died).toEqual(['here'])
  })

  test('@n means the n-th time', () => {
    let died = 0
    armCrashPoint('turn.begun@3', () => died++)
    const seen = Array.from({ length: 5 }, () => {
      hitCrashPoint('turn.begun')
      return died
    })
    expect(seen).toEqual([0, 0, 1, 1, 1])
  })

  test('a name that does not exist is refused, so that a test cannot pass by not crashing', () => {
    expect(() => armCrashPoint('turn.begn', () => undefined)).toThrow('there is no crash point turn.begn')
    expect(() => armCrashPoint('turn.begun@zero', () => undefined)).toThrow('turn.begun@zero')
    expect(() => armCrashPoint('turn.begun@0', () => undefined)).toThrow('turn.begun@0')
  })

  test('names are unique and say part and instant', () => {
    expect([new Set(CRASH_POINTS).size, CRASH_POINTS.filter((point) => !/^[a-z]+(\.[a-z_]+)+$/.test(point))]).toEqual([
      CRASH_POINTS.length,
      [],
    ])
  })
})
