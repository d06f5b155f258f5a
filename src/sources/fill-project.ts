import type { Db } from '../db/client.ts'
import { readForkedFiles } from '../db/forks.ts'
import { getProject, recordSourceReport } from '../db/projects.ts'
import { fillSandbox } from '../sandbox/fill.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { FillControl } from '../sandbox/workspaces.ts'

export interface FillerDeps {
  readonly db: Db
  readonly sampleFiles: () => Readonly<Record<string, string>>
  /** Host directories below which a `path` source may lie. */
  readonly projectRoots: readonly string[]
}

/**
 * What puts a project's source into its empty sandbox and stores what became of it. Throws `project_source_failed`,
 * `not_found` and `sandbox_*`; what was written by then is to be thrown away.
 */
export function createFiller(deps: FillerDeps) {
  return async (projectId: string, sandbox: Sandbox, control: FillControl): Promise<void> => {
    const { source } = await getProject(deps.db, projectId)
    const report = await fillSandbox(sandbox, source, {
      sampleFiles: deps.sampleFiles,
      projectRoots: deps.projectRoots,
      forkedFiles: () => readForkedFiles(deps.db, projectId),
      control,
    })
    await recordSourceReport(deps.db, projectId, report)
  }
}
