import { claimServices, releaseServices, type ServiceRow } from '../../db/workspace/services.ts'
import { newId } from '../../shared/ids.ts'
import { type FollowDeps, followService } from './follow-service.ts'

const CLAIM_EVERY_MS = 500
/** Services that one worker follows; others wait for another worker, or for one of these to end. */
const MAX_FOLLOWED = 100

/** What keeps the services of all projects followed. */
export interface ServiceKeeper {
  /** Lets go of what it follows: the services run on, and the next worker takes them over at once. */
  close(): Promise<void>
}

/**
 * Follows the services that no other worker follows: new ones, and those of a worker that died. A service whose sandbox or
 * database cannot be reached is let go and taken up again. Several workers may keep services at once.
 */
export function keepServices(deps: FollowDeps): ServiceKeeper {
  const owner = newId('wrk')
  const following = new Map<string, Promise<void>>()
  const stop = new AbortController()
  let claiming: Promise<void> | undefined

  const follow = (service: ServiceRow): void => {
    const work = followService(deps, service, owner, stop.signal)
      .catch((error: unknown) => {
        if (stop.signal.aborted) return
        deps.log.warn({ err: error, serviceId: service.id }, 'a service is out of reach and is taken up again')
      })
      .finally(() => following.delete(service.id))
    following.set(service.id, work)
  }

  const claim = async (): Promise<void> => {
    if (following.size >= MAX_FOLLOWED) return
    for (const service of await claimServices(deps.db, owner)) if (!following.has(service.id)) follow(service)
  }

  const timer = setInterval(() => {
    claiming ??= claim()
      .catch((error: unknown) => deps.log.warn({ err: error }, 'services could not be looked for'))
      .finally(() => {
        claiming = undefined
      })
  }, CLAIM_EVERY_MS)
  timer.unref()

  return {
    async close() {
      clearInterval(timer)
      await claiming
      stop.abort()
      await Promise.all(following.values())
      await releaseServices(deps.db, owner).catch((error: unknown) =>
        deps.log.warn({ err: error }, 'services are taken over by the next worker a little later'),
      )
    },
  }
}
