import type { Sandbox } from '../sandbox/types.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import type { Restorer } from './restorer.ts'

/**
 * Workspaces whose files nobody sees between two trees: a restore that a dead process left is finished before a sandbox is
 * handed out, and one under way is waited for. Costs one look into the database each time.
 */
export function guardWorkspaces(workspaces: Workspaces, restorer: Pick<Restorer, 'settle'>): Workspaces {
  const settled = async <T extends Sandbox | null>(projectId: string, open: () => Promise<T>): Promise<T> => {
    await restorer.settle(projectId)
    return await open()
  }
  return {
    ...workspaces,
    open: (projectId, options) => settled(projectId, () => workspaces.open(projectId, options)),
    openExisting: (projectId) => settled(projectId, () => workspaces.openExisting(projectId)),
  }
}
