import { useEffect } from 'react'
import { api } from '../api/client.ts'
import { useQuery } from '../api/use-query.ts'
import type { TaskView } from '../state.ts'
import { useWorkspaceStore } from '../store/use-view.ts'
import { Spinner } from '../ui/spinner.tsx'
import { ApprovalCard } from './approval-card.tsx'
import { refreshInbox } from './inbox-store.ts'

/** What a task asks people now. Read from the server whenever the stream says that something was asked or decided. */
export function NeedsAnswer({ task }: { task: TaskView }) {
  const { projectId } = useWorkspaceStore()
  const version = `${task.openApprovals.join()}:${task.status}`
  const waiting = useQuery(`approvals:${task.id}`, (signal) => api.listApprovals(projectId, signal), version)
  useEffect(() => {
    if (version !== '') refreshInbox()
  }, [version])
  const own = waiting.value?.items.filter(({ taskId }) => taskId === task.id) ?? []
  return (
    <>
      <p className="flex items-center gap-2 py-1.5 text-sm text-muted">
        {own.length === 0 && <Spinner className="text-accent" />}
        The agent needs an answer. The task waits, nothing is lost.
      </p>
      {own.map((approval) => (
        <ApprovalCard key={approval.id} approval={approval} onDecided={waiting.reload} />
      ))}
    </>
  )
}
