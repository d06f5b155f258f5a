import { useCallback, useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { Instance } from '../api/types.ts'
import { newClientMessageId } from '../composer/client-message-id.ts'
import { type ComposedMessage, Composer } from '../composer/composer.tsx'
import type { PanelTarget } from '../panels/panel.ts'
import { PlanBar } from '../people/plan-bar.tsx'
import { goTo } from '../routing/use-route.ts'
import { useCurrentTaskId, useView, useWorkspaceStore } from '../store/use-view.ts'
import { Thread } from '../thread/thread.tsx'
import { Spinner } from '../ui/spinner.tsx'
import { showFault } from '../ui/toast.tsx'
import { TryNotice } from './try-notice.tsx'
import { askForNotices } from './use-attention.ts'
import { Welcome } from './welcome.tsx'

interface CentreProps {
  readonly instance: Instance
  readonly projectId: string
  readonly conversationId: string | null
  readonly target: PanelTarget | null
  readonly navigate: (target: PanelTarget) => void
}

const MAX_TITLE = 80

/** The conversation and where one writes. */
export function Centre({ instance, projectId, conversationId, target, navigate }: CentreProps) {
  const store = useWorkspaceStore()
  const taskId = useCurrentTaskId(conversationId)
  const triedFor = useView((state) => state.project?.alternativeOf ?? null)
  const [isBeginning, setBeginning] = useState(false)

  const send = useCallback(
    async (message: ComposedMessage) => {
      askForNotices()
      const { text, ...rest } = message
      if (conversationId !== null) {
        await store.send({ ...rest, text, conversationId })
        return
      }
      setBeginning(true)
      try {
        const made = await api.createConversation(projectId, titleOf(text))
        store.refreshConversations()
        void store.send({ ...rest, text, conversationId: made.id })
        goTo({ projectId, conversationId: made.id, target: null }, { replace: true })
      } catch (error) {
        showFault(faultOf(error))
      } finally {
        setBeginning(false)
      }
    },
    [store, projectId, conversationId],
  )
  const ask = (text: string): void => void send({ text, delivery: 'steer', clientMessageId: newClientMessageId() })
  const welcome = <Welcome onAsk={ask} />
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {conversationId === null ? (
        <div className="flex min-h-0 flex-1 flex-col justify-center overflow-y-auto">
          {isBeginning ? <Spinner className="mx-auto" /> : welcome}
        </div>
      ) : (
        <Thread
          key={conversationId}
          conversationId={conversationId}
          navigate={navigate}
          turn={target?.turn ?? null}
          empty={welcome}
        />
      )}
      <PlanBar taskId={taskId} />
      {triedFor === null ? (
        <Composer
          projectId={projectId}
          conversationId={conversationId}
          instance={instance}
          onSend={(message) => void send(message)}
        />
      ) : (
        <TryNotice projectId={triedFor} />
      )}
    </div>
  )
}

function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? ''
  return line.length > MAX_TITLE ? `${line.slice(0, MAX_TITLE - 1)}…` : line
}
