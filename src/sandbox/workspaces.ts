/**
 * From a project to its open sandbox: makes it when there is none, fills it once from the project's source, adopts what
 * another process made meanwhile. Postgres is the authority on which sandbox a project has.
 */

import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Sandbox, SandboxProvider, SandboxRef } from './types.ts'

/** What Postgres knows of a project's sandbox. */
export interface WorkspaceRow {
  readonly generation: number
  readonly ref: SandboxRef | null
  readonly filled: boolean
}

export interface WorkspaceStore {
  /** Throws `not_found`. */
  touch(projectId: string): Promise<WorkspaceRow>
  /** False when another generation won meanwhile. */
  save(ref: SandboxRef, filled: boolean): Promise<boolean>
  /** Runs `work` while no other process makes or fills the same project's sandbox. */
  locked<T>(projectId: string, work: () => Promise<T>): Promise<T>
}

export interface Workspaces {
  /**
   * The project's sandbox, ready to use. Throws `not_found`, `sandbox_*`, `project_source_failed`. Safe to repeat and to
   * call from several processes at once.
   */
  open(projectId: string): Promise<Sandbox>
  /** The same, but null when the project has none (yet, or any more): nothing is made. */
  openExisting(projectId: string): Promise<Sandbox | null>
  /** Ends the project's processes and removes its files. Safe to repeat. */
  destroy(ref: SandboxRef): Promise<void>
}

export function createWorkspaces(options: {
  readonly store: WorkspaceStore
  readonly provider: SandboxProvider
  /** Puts the project's source into an empty sandbox; must be safe to repeat. */
  fill(projectId: string, sandbox: Sandbox): Promise<void>
}): Workspaces {
  const { store, provider } = options

  async function make(projectId: string): Promise<Sandbox> {
    const row = await store.touch(projectId)
    const existing = row.ref === null ? {} : { existing: row.ref }
    const ref = await provider.ensure({ projectId, generation: row.generation, ...existing })
    const sandbox = await provider.open(ref)
    hitCrashPoint('sandbox.made.before_record')
    if (!row.filled) await options.fill(projectId, sandbox)
    hitCrashPoint('sandbox.filled.before_record')
    if (!(await store.save(ref, true)))
      throw new AppError('sandbox_busy', 'The project’s sandbox was replaced meanwhile.')
    return sandbox
  }

  return {
    async open(projectId) {
      const row = await store.touch(projectId)
      if (row.ref && row.filled) return await provider.open(row.ref)
      return await store.locked(projectId, () => make(projectId))
    },
    async openExisting(projectId) {
      try {
        const { ref } = await store.touch(projectId)
        return ref && (await provider.open(ref))
      } catch (error) {
        if (error instanceof AppError && (error.code === 'sandbox_gone' || error.code === 'not_found')) return null
        throw error
      }
    },
    destroy: (ref) => provider.destroy(ref),
  }
}
