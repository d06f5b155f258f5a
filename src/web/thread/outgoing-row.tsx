import { faultOf } from '../api/fault.ts'
import { useWorkspaceStore } from '../store/use-view.ts'
import type { Outgoing } from '../store/workspace-state.ts'
import { Button } from '../ui/button.tsx'
import { UserBubble } from './message-row.tsx'

/** A message that the server does not have yet, or refused. */
export function OutgoingRow({ message }: { message: Outgoing }) {
  const store = useWorkspaceStore()
  const { clientMessageId, status, text, conversationId, delivery } = message
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pb-2">
      <UserBubble text={text} badge={status === 'sending' ? 'sending …' : null} />
      {status === 'failed' && (
        <div role="alert" className="flex flex-wrap items-center justify-end gap-2 text-sm text-bad">
          <span>{faultOf(message.error).message}</span>
          <Button size="small" onClick={() => void store.send({ clientMessageId, text, conversationId, delivery })}>
            Send again
          </Button>
          <Button size="small" look="quiet" onClick={() => store.forgetOutgoing(clientMessageId)}>
            Discard
          </Button>
        </div>
      )}
    </div>
  )
}
