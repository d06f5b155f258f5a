import { measureSize } from './disk-use.ts'
import type { RunnerClient } from './runner-client.ts'

/** A store is measured at most this often, and at most for a twentieth of the time. */
const REST_MS = 5_000
const REST_FACTOR = 20
const REQUEST_MS = 15_000

/** Tells the runner how large checkpoints are. */
export interface StoreReports {
  /**
   * Has a sandbox's checkpoints measured, by a child process, and the runner told: they count to the sandbox's limit, and the
   * runner, whose user cannot reach them, watches that. Returns at once; asked again within a rest it is done after that, once.
   */
  report(sandbox: string, store: string): void
}

interface Report {
  /** Asked for again since the last measurement began. */
  isWanted: boolean
}

/** Makes one for a process. A measurement that fails is told as larger than any limit. */
export function createStoreReports(client: RunnerClient): StoreReports {
  /** Those that are measured or rest. */
  const active = new Map<string, Report>()

  const measure = async (sandbox: string, store: string): Promise<void> => {
    // A store that cannot be measured is larger than any limit.
    const storeBytes = (await measureSize([store])) ?? Number.MAX_SAFE_INTEGER
    await client.request({ op: 'store', sandbox, storeBytes }, { spawn: false, timeoutMs: REQUEST_MS })
  }

  const begin = (sandbox: string, store: string): void => {
    const report: Report = { isWanted: false }
    active.set(sandbox, report)
    const startedAt = Date.now()
    measure(sandbox, store)
      // The runner went away or is busy: the next command asks for it again.
      .catch(() => undefined)
      .finally(() => {
        const end = () => {
          active.delete(sandbox)
          if (report.isWanted) begin(sandbox, store)
        }
        setTimeout(end, Math.max(REST_MS, (Date.now() - startedAt) * REST_FACTOR)).unref()
      })
  }

  return {
    report(sandbox, store) {
      const report = active.get(sandbox)
      if (report === undefined) begin(sandbox, store)
      else report.isWanted = true
    },
  }
}
