import { MAX_REMEMBERED, NO_POLICY } from '../../shared/approval-policy.ts'
import type { Environment } from '../../shared/environment.ts'
import { MAX_NETWORK_HOSTS } from '../../shared/network.ts'
import type { Comparison } from '../task/comparisons.ts'
import type { Tx } from '../transaction.ts'
import { changeEnvironment } from './environments.ts'

/**
 * What people decided "for the project" in the try that was chosen holds for the project from now on: remembered approvals
 * and denials, and hosts that were allowed. What the project decided itself meanwhile, of the same command or path, stays.
 * Nothing for a choice of the task's own result, and where the project never saved an environment. Safe to repeat: it
 * happens in the transaction that records the choice, and what is there is not added again.
 */
export async function adoptDecisions(tx: Tx, { items, chosenIndex, state }: Comparison): Promise<void> {
  const item = items.find(({ index }) => index === chosenIndex)
  if (state !== 'chosen' || item === undefined || item.index === 0) return
  // The first version is the copy that the try began with.
  const rows = await tx.query<{ body: string }>(
    `(SELECT body FROM environments WHERE project_id = $1 ORDER BY version LIMIT 1)
     UNION ALL (SELECT body FROM environments WHERE project_id = $1 ORDER BY version DESC LIMIT 1)`,
    [item.projectId],
  )
  const [before, after] = rows.map(({ body }) => JSON.parse(body) as Environment)
  if (before === undefined || after === undefined) return
  const copied = new Set(rememberedOf(before).map(identityOf))
  const fresh = rememberedOf(after).filter((decision) => !copied.has(identityOf(decision)))
  const hosts = after.network.hosts.filter((host) => !before.network.hosts.includes(host))
  await changeEnvironment(tx, tx.project.id, (environment) => {
    const policy = environment.approvals ?? NO_POLICY
    const decided = new Set(policy.remembered.filter((own) => !copied.has(identityOf(own))).map(subjectOf))
    const taken = fresh.filter((decision) => !decided.has(subjectOf(decision)))
    const newHosts = hosts.filter((host) => !environment.network.hosts.includes(host))
    if (taken.length === 0 && newHosts.length === 0) return null
    const takenSubjects = new Set(taken.map(subjectOf))
    const kept = policy.remembered.filter((own) => !takenSubjects.has(subjectOf(own)))
    const { network } = environment
    return {
      ...environment,
      approvals: { ...policy, remembered: [...kept, ...taken].slice(-MAX_REMEMBERED) },
      network:
        newHosts.length === 0
          ? network
          : {
              policy: network.policy === 'open' ? 'open' : 'hosts',
              hosts: [...network.hosts, ...newHosts].slice(0, MAX_NETWORK_HOSTS),
            },
    }
  })
}

const rememberedOf = (environment: Environment) => (environment.approvals ?? NO_POLICY).remembered

type Decision = ReturnType<typeof rememberedOf>[number]

const subjectOf = ({ kind, subject }: Decision): string => JSON.stringify([kind, subject])
const identityOf = ({ kind, subject, decision, at }: Decision): string => JSON.stringify([kind, subject, decision, at])
