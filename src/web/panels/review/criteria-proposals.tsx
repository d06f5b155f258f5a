import { useState } from 'react'
import { api } from '../../api/client.ts'
import { faultOf } from '../../api/fault.ts'
import type { CriteriaProposal } from '../../api/types.ts'
import { useQuery } from '../../api/use-query.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { Button } from '../../ui/button.tsx'
import { showToast } from '../../ui/toast.tsx'

const WORDS: Readonly<Record<CriteriaProposal['kind'], string>> = {
  reword: 'Make it more exact',
  weaken: 'Let it weigh less',
  drop: 'Switch it off',
  add: 'Add a criterion',
}

/** What people's verdicts on findings propose for the criteria; absent while there is nothing. */
export function CriteriaProposals({
  projectId,
  version,
  onAccepted,
}: {
  projectId: string
  version: number
  onAccepted: () => void
}) {
  const proposals = useQuery(
    `criteria-proposals:${projectId}`,
    (signal) => api.listCriteriaProposals(projectId, signal),
    String(version),
  )
  const [busyId, setBusyId] = useState<string | null>(null)
  const decide = async (proposal: CriteriaProposal, decision: 'accept' | 'decline'): Promise<void> => {
    setBusyId(proposal.id)
    try {
      const { version: saved } = await api.decideCriteriaProposal(projectId, proposal.id, decision)
      if (decision === 'accept') {
        showToast(`Saved as version ${saved}. It holds from the next task on.`)
        onAccepted()
      }
    } catch (error) {
      showToast(faultOf(error).message)
    } finally {
      setBusyId(null)
      proposals.reload()
    }
  }
  const items = proposals.value?.items ?? []
  if (items.length === 0) return null
  return (
    <section aria-label="Proposals from people’s verdicts" className="flex flex-col gap-2 p-3 pb-0">
      <h3 className="text-sm font-semibold">Your verdicts propose</h3>
      <ul className="flex flex-col gap-2">
        {items.map((proposal) => (
          <li key={proposal.id} className="flex flex-col gap-1.5 rounded-md border border-line bg-sunken p-2 text-sm">
            <p>
              <span className="font-medium">{WORDS[proposal.kind]}:</span>{' '}
              <code className="font-mono text-xs">{proposal.criterion.id}</code>
            </p>
            <p className="text-xs text-muted">{proposal.reason}</p>
            {(proposal.kind === 'reword' || proposal.kind === 'add') && (
              <p className="max-h-40 overflow-y-auto break-words whitespace-pre-wrap">
                <VisibleText text={proposal.criterion.text} />
              </p>
            )}
            <div className="flex gap-2">
              <Button
                size="small"
                look="primary"
                isBusy={busyId === proposal.id}
                disabled={busyId !== null}
                onClick={() => void decide(proposal, 'accept')}
              >
                Accept
              </Button>
              <Button size="small" disabled={busyId !== null} onClick={() => void decide(proposal, 'decline')}>
                Decline
              </Button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
