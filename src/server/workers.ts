import type { Db } from '../db/client.ts'
import { aliveWorkers } from '../db/task/workers.ts'
import type { Workers } from './present.ts'
import type { Temporal } from './temporal.ts'

/** Three missed words of a worker, see worker/liveness.ts. */
const SILENT_AFTER_SECONDS = 8
/** How long an answer is good for: whoever looks at many tasks asks once. */
const FRESH_MS = 1_000

/**
 * Whether somebody works on tasks: a worker said so within eight seconds, and Temporal hands tasks out and knows somebody
 * who asks for them. Without Postgres's word (no worker ever spoke there) Temporal's alone counts. `none` also when neither can
 * be asked: nothing can be working then. Never rejects.
 */
export function createWorkers(deps: { readonly db: Db; readonly temporal: Pick<Temporal, 'workers'> }) {
  let known: { readonly at: number; readonly look: Promise<Workers> } | undefined

  const look = async (): Promise<Workers> => {
    const [alive, polling] = await Promise.all([
      aliveWorkers(deps.db, SILENT_AFTER_SECONDS).catch(() => 'none' as const),
      deps.temporal.workers(),
    ])
    return alive === 'none' ? 'none' : polling
  }

  return (): Promise<Workers> => {
    if (known === undefined || performance.now() - known.at > FRESH_MS) known = { at: performance.now(), look: look() }
    return known.look
  }
}
