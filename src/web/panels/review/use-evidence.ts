import { api } from '../../api/client.ts'
import type { ApiEvidence } from '../../api/types.ts'
import { type Query, useQuery } from '../../api/use-query.ts'
import type { TaskView } from '../../state.ts'

/** A task's ledger, read again whenever its stream tells of something that adds a row; nothing without a task. */
export function useEvidence(taskId: string | null, task: TaskView | null): Query<ApiEvidence> {
  return useQuery(
    taskId === null ? null : `evidence:${taskId}`,
    (signal) => api.getEvidence(taskId ?? '', signal),
    task === null ? '' : evidenceVersion(task),
  )
}

/** Another text whenever the stream told of something that adds a row to the task's ledger. Pure. */
export function evidenceVersion({ status, rounds, steps }: Pick<TaskView, 'status' | 'rounds' | 'steps'>): string {
  const decided = steps.filter(({ kind }) => kind === 'approval_resolved').length
  return `${status}:${rounds.length}:${decided}`
}
