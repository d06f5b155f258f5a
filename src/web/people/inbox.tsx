import { Inbox as InboxIcon } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../ui/button.tsx'
import { lazyPart } from '../ui/lazy-part.tsx'
import { useInbox } from './inbox-store.ts'

// Opened by somebody: not needed for the first look at the page.
const InboxDialog = lazyPart(() => import('./inbox-dialog.tsx'))

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
      {isOpen && <InboxDialog onClose={() => setOpen(false)} />}
    </>
  )
}
