import { useCallback, useState } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import { useView } from '../store/use-view.ts'
import { activeTaskIdOf, taskOf } from '../store/workspace-state.ts'
import { showFault } from '../ui/toast.tsx'

/** What a button needs that stops a task; `stop` asks once and shows what failed. */
export interface Stop {
  /** The conversation's task that is not over; null when it is idle. */
  readonly taskId: string | null
  readonly isStopping: boolean
  readonly stop: () => void
}

/** Stopping the conversation's task: asked once, then stopping until the server says that nothing runs any more. */
export function useStop(conversationId: string | null): Stop {
  const taskId = useView((state) => (conversationId === null ? null : activeTaskIdOf(state, conversationId)))
  const isCancelling = useView((state) => taskId !== null && taskOf(state, taskId)?.status === 'cancelling')
  const [askedFor, setAskedFor] = useState<string | null>(null)
  const stop = useCallback(() => {
    if (taskId === null) return
    setAskedFor(taskId)
    api.cancelTask(taskId).catch((error: unknown) => {
      setAskedFor(null)
      if (faultOf(error).code !== 'task_over') showFault(error)
    })
  }, [taskId])
  return { taskId, isStopping: taskId !== null && (isCancelling || askedFor === taskId), stop }
}
