import { api } from '../../api/client.ts'
import type { ApiEvidence } from '../../api/types.ts'
import { type Query, useQuery } from '../../api/use-query.ts'
import type { TaskView } from '../../state.ts'

/** A task's ledger, read again whenever its stream tells of something that adds a row; nothing without a task. */
export function useEvidence(taskId: string | null, task: TaskView | null): Query<ApiEvidence> {
  const decided = task?.steps.filter(({ kind }) => kind === 'approval_resolved').length ?? 0
  return useQuery(
    taskId === null ? null : `evidence:${taskId}`,
    (signal) => api.getEvidence(taskId ?? '', signal),
    `${task?.status ?? ''}:${task?.rounds.length ?? 0}:${decided}`,
  )
}
