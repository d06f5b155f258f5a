import type { Db } from '../db/client.ts'
import { latestSeqs } from '../db/stream/events.ts'
import type { Hub } from '../events/hub.ts'
import type { Readiness } from './deps.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Temporal } from './temporal.ts'

const PART_TIMEOUT_MS = 1_500
/** Probes of many watchers share one look. */
const FRESH_MS = 500

/** Looks at every part the server leans on. Never rejects; a part that does not answer in time is down. */
export function createReadiness(deps: {
  readonly db: Db
  readonly hub: Pick<Hub, 'status'>
  readonly temporal: Pick<Temporal, 'isReachable'>
  readonly dispatcher: Pick<Dispatcher, 'refusedSends'>
  isDraining(): boolean
}) {
  let known: { at: number; look: Promise<Readiness> } | undefined

  const look = async (): Promise<Readiness> => {
    const [postgres, temporal] = await Promise.all([
      answers(() => latestSeqs(deps.db, [])),
      answers(async () => {
        if (!(await deps.temporal.isReachable())) throw new Error('Temporal cannot be reached')
      }),
    ])
    const takesWrites = !deps.db.refusedWrites.isFailing
    const parts = {
      postgres: stateOf(postgres && takesWrites),
      redis: deps.hub.status.redis,
      temporal: stateOf(temporal && !deps.dispatcher.refusedSends.isFailing),
    }
    return { isReady: Object.values(parts).every((state) => state === 'up'), parts }
  }

  return async (): Promise<Readiness> => {
    if (deps.isDraining()) return { isReady: false, parts: { server: 'stopping' } }
    if (known === undefined || performance.now() - known.at > FRESH_MS) known = { at: performance.now(), look: look() }
    return await known.look
  }
}

function stateOf(isUp: boolean): 'up' | 'down' {
  return isUp ? 'up' : 'down'
}

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PART_TIMEOUT_MS)
  })
  const asked = ask().then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
