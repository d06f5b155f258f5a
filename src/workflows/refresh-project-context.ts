/** Makes a project's context anew while no task of it runs. */

import type { RefreshContextInput } from '../shared/task.ts'
import { refreshContext } from './proxies.ts'

/** Makes a project's context anew while no task runs. */
export async function refreshProjectContext(input: RefreshContextInput): Promise<void> {
  await refreshContext.executeWithOptions({ summary: 'Make the project context anew' }, [
    { projectId: input.projectId },
  ])
}
