import type { People } from '../agent/people.ts'
import type { Decided } from '../approvals/person-ask.ts'
import { type Approval, MAX_ASKED, MAX_OPEN, openApproval } from '../db/approvals.ts'
import type { Db } from '../db/client.ts'
import type { Lease } from '../db/transaction.ts'
import type { EnvironmentBody } from '../shared/environment.ts'

/** The people around a project's coder, reached through the database. */
export function peopleOf(db: Db, lease: Lease, _environment: EnvironmentBody): People {
  // Calls of one reply ask at the same time, and people should see their questions in the reply's order.
  let last: Promise<unknown> = Promise.resolve()
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    return mine
  }
  return {
    mustAsk: () => null,
    async ask(call, ask) {
      const found = await inOrder(() => openApproval(db, lease, { ...ask, key: call.toolUseId, turn: call.turn }))
      if (found === 'refused') return { kind: 'refused', message: TOO_MANY }
      if (found.state === 'open') return { kind: 'waits' }
      return { kind: 'decided', decided: toDecided(found, found.state) }
    },
  }
}

const TOO_MANY = `Nobody was asked: at most ${MAX_OPEN} things may wait for the user at a time, and a task may ask ${MAX_ASKED} times. Decide yourself, and say at the end what you assumed.`

function toDecided({ detail, answer, note, scope }: Approval, state: Decided['state']): Decided {
  return { state, detail, answer, note, scope }
}
