import { Inbox as InboxIcon } from 'lucide-react'
import { useState } from 'react'
import { goTo } from '../routing/use-route.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { ApprovalCard } from './approval-card.tsx'
import { refreshInbox, useInbox } from './inbox-store.ts'

/** Everything that waits for a person, over all projects; nothing is shown while nothing waits. */
export function Inbox() {
  const items = useInbox()
  const [isOpen, setOpen] = useState(false)
  if (items.length === 0 && !isOpen) return null
  return (
    <>
      <Button
        size="small"
        icon={<InboxIcon aria-hidden="true" className="size-3.5" />}
        onClick={() => setOpen(true)}
        aria-label={`${items.length} ${items.length === 1 ? 'thing waits' : 'things wait'} for you`}
        className="bg-warn-soft text-warn"
      >
        {items.length}
      </Button>
      <Dialog isOpen={isOpen} onClose={() => setOpen(false)} title="Waits for you" width="wide">
        {items.length === 0 && <p className="text-sm text-muted">Nothing waits any more.</p>}
        {items.map((approval) => (
          <div key={approval.id} className="mb-4">
            <button
              type="button"
              className="text-sm text-accent underline-offset-2 hover:underline"
              onClick={() => {
                setOpen(false)
                goTo({ projectId: approval.projectId, conversationId: approval.conversationId, target: null })
              }}
            >
              {approval.projectName}
            </button>
            <ApprovalCard approval={approval} onDecided={refreshInbox} />
          </div>
        ))}
      </Dialog>
    </>
  )
}
