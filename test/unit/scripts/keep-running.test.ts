import { describe, expect, test } from 'vitest'
import type { Child } from '../../../scripts/lib/child.mjs'
import { keepRunning } from '../../../scripts/lib/keep-running.mjs'
import { SILENT } from '../../../scripts/lib/log.mjs'
import { waitFor } from '../../support/wait-for.ts'

const ENDS = 3

/** Starts a part whose first runs end at once as `ending` says; how long it took until it ran on. */
async function restartMs(ending: string): Promise<number> {
  let starts = 0
  let end: (ending: string) => void = () => {}
  const start = async (): Promise<Child> => {
    starts += 1
    const hasEnded = starts <= ENDS
    return {
      name: 'part',
      pid: starts,
      logFile: 'part.log',
      logOffset: 0,
      exited: new Promise((resolve) => {
        end = resolve
        if (hasEnded) resolve(ending)
      }),
      ended: () => (hasEnded ? ending : undefined),
      stop: async () => end('exit code 0'),
    }
  }
  const startedAt = performance.now()
  const kept = await keepRunning({
    name: 'part',
    start,
    onRestart: () => {},
    log: SILENT,
    signal: new AbortController().signal,
  })
  await waitFor(() => starts > ENDS, 'the part runs on')
  const tookMs = performance.now() - startedAt
  await kept.stop()
  return tookMs
}

describe('a part that is kept running', () => {
  test('is started again at once after each clean end, and ever later when it fails', async () => {
    const afterFailures = await restartMs('exit code 1')
    const afterCleanEnds = await restartMs('exit code 0')
    expect(afterCleanEnds).toBeLessThan(afterFailures)
  })
})
