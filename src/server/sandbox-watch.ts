import type { SandboxProvider } from '../sandbox/types.ts'
import type { SandboxState } from './deps.ts'

/** What protects commands changes with the host's settings, not from minute to minute; a look costs a sandbox. */
const FRESH_MS = 5 * 60_000
const FIRST_LOOK_MS = 1_500

/** Knows whether sandboxes can be had on this host, without asking anew for each request. */
export interface SandboxWatch {
  /** What the newest look found; null while the first one lasts longer than 1.5 s. Never rejects. */
  state(): Promise<SandboxState | null>
}

/** Looks at the sandboxes of this process when somebody asks, at most every five minutes; one look is shared by all. */
export function createSandboxWatch(provider: Pick<SandboxProvider, 'kind' | 'probe'>): SandboxWatch {
  let known: SandboxState | null = null
  let lookedAt: number | undefined

  const look = async (): Promise<void> => {
    try {
      const { ok, kind, detail, protections } = await provider.probe()
      known = { ok, kind, detail, protections }
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      known = { ok: false, kind: provider.kind, detail, protections: [] }
    }
  }
  let first: Promise<void> | undefined

  return {
    async state() {
      if (lookedAt === undefined || performance.now() - lookedAt > FRESH_MS) {
        lookedAt = performance.now()
        const started = look()
        first ??= started
      }
      if (known === null && first !== undefined) await atMost(first, FIRST_LOOK_MS)
      return known
    },
  }
}

async function atMost(work: Promise<void>, timeMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeMs)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
