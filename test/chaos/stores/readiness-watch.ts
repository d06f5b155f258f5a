import { setTimeout as sleep } from 'node:timers/promises'

/** What /readyz said at one moment. */
export interface Glimpse {
  readonly at: number
  /** 0: no answer. */
  readonly status: number
  readonly parts: Readonly<Record<string, string>>
}

const EVERY_MS = 150
const TIMEOUT_MS = 4_000

/** Looks at /readyz again and again until it is stopped. */
export function watchReadiness(url: string) {
  const glimpses: Glimpse[] = []
  let isStopped = false

  const look = async (): Promise<void> => {
    const at = Date.now()
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
      const { parts } = (await response.json()) as { parts: Record<string, string> }
      glimpses.push({ at, status: response.status, parts })
    } catch {
      glimpses.push({ at, status: 0, parts: {} })
    }
  }
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await look()
      await sleep(EVERY_MS)
    }
  }
  const running = run()

  return {
    glimpses,
    /** When it first said that all is well, asked after `from`; null when it did not within the time. */
    async greenAfter(from: number, timeoutMs: number): Promise<number | null> {
      const giveUpAt = from + timeoutMs
      for (;;) {
        const found = glimpses.find(({ at, status }) => at >= from && status === 200)
        if (found !== undefined) return found.at
        if (Date.now() > giveUpAt) return null
        await sleep(EVERY_MS)
      }
    },
    async stop(): Promise<void> {
      isStopped = true
      await running
    },
  }
}
