import { useEffect } from 'react'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import { ApprovalCard } from './approval-card.tsx'
import { refreshInbox } from './inbox-store.ts'

/** The card of a publication that waits for a person; nothing once it was decided. */
export function PublishApproval({ approvalId }: { approvalId: string }) {
  const { value, reload } = useQuery(`approval:${approvalId}`, (signal) => api.getApproval(approvalId, signal))
  useEffect(() => {
    if (approvalId !== '') refreshInbox()
  }, [approvalId])
  if (value === undefined || value === null || value.status !== 'open') return null
  const onDecided = (): void => {
    reload()
    refreshInbox()
  }
  return (
    <div className="w-full">
      <ApprovalCard approval={value} onDecided={onDecided} />
    </div>
  )
}
