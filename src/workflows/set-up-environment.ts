/** Runs a project's set-up while no task of it runs. */

import type { SetUpInput } from '../shared/task.ts'
import { setUpAlone } from './proxies.ts'

/** Runs a project's set-up while no task runs. */
export async function setUpEnvironment(input: SetUpInput): Promise<void> {
  await setUpAlone.executeWithOptions({ summary: 'Set up the project' }, [{ projectId: input.projectId }])
}
