import type { WorkspaceStore } from '../sandbox/workspaces.ts'
import type { Db } from './client.ts'
import { getProject } from './projects.ts'
import { saveSandboxRef, touchSandbox, withSandboxLock } from './sandboxes.ts'

/** Postgres as the authority on which sandbox a project has. */
export function createWorkspaceStore(db: Db): WorkspaceStore {
  return {
    async touch(projectId) {
      const { sandboxProvider } = await getProject(db, projectId)
      return await touchSandbox(db, projectId, sandboxProvider)
    },
    save: (ref, filled) => saveSandboxRef(db, ref, filled),
    locked: (projectId, work) => withSandboxLock(db, projectId, work),
  }
}
