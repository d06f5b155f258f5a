import type { WorkspaceRecords, WorkspaceRecovery } from '../../sandbox/workspaces.ts'
import type { Db } from '../client.ts'
import { withSandboxLock } from '../project/project-lock.ts'
import { getProject } from '../project/projects.ts'
import { giveUpSandbox, lostExecs, savedTree } from './sandbox-losses.ts'
import { beginFill, discardFill, saveSandboxRef, touchSandbox } from './sandboxes.ts'

/** Postgres as the authority on which sandbox a project has. */
export function createWorkspaceStore(db: Db): WorkspaceRecords {
  return {
    async touch(projectId) {
      const { sandboxProvider } = await getProject(db, projectId)
      return await touchSandbox(db, projectId, sandboxProvider)
    },
    save: (ref, filled) => saveSandboxRef(db, ref, filled),
    beginFill: (ref) => beginFill(db, ref),
    discardFill: (ref) => discardFill(db, ref),
    locked: (projectId, work, wait) => withSandboxLock(db, projectId, work, wait),
  }
}

/** What Postgres holds of sandboxes that can be lost as a whole. */
export function createWorkspaceRecovery(db: Db): WorkspaceRecovery {
  return {
    savedTree: (projectId) => savedTree(db, projectId),
    giveUp: (lost, saved) => giveUpSandbox(db, lost, saved),
    lostExecs: (projectId) => lostExecs(db, projectId),
  }
}
