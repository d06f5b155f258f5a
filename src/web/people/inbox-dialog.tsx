import { goTo } from '../routing/use-route.ts'
import { Dialog } from '../ui/dialog.tsx'
import { ApprovalCard } from './approval-card.tsx'
import { refreshInbox, useInbox } from './inbox-store.ts'

/** Everything that waits for a person, to be decided there and then. Lives as long as it is open. */
export default function InboxDialog({ onClose }: { onClose: () => void }) {
  const items = useInbox()
  return (
    <Dialog isOpen onClose={onClose} title="Waits for you" width="wide">
      {items.length === 0 && <p className="text-sm text-muted">Nothing waits any more.</p>}
      {items.map((approval) => (
        <div key={approval.id} className="mb-4">
          <button
            type="button"
            className="text-sm text-accent underline-offset-2 hover:underline"
            onClick={() => {
              onClose()
              goTo({ projectId: approval.projectId, conversationId: approval.conversationId, target: null })
            }}
          >
            {approval.projectName}
          </button>
          <ApprovalCard approval={approval} onDecided={refreshInbox} />
        </div>
      ))}
    </Dialog>
  )
}
