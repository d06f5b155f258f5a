/**
 * From a project to its open sandbox: makes it when there is none, fills it once from the project's source, adopts what
 * another process made meanwhile. Postgres is the authority on which sandbox a project has.
 */

import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Sandbox, SandboxKind, SandboxProvider, SandboxRef } from './types.ts'

/** What Postgres knows of a project's sandbox. */
export interface WorkspaceRow {
  /** The provider that the project chose. */
  readonly provider: string
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

/** How a lost sandbox is made anew; without it, lost is lost. */
export interface WorkspaceRecovery {
  /** The newest checkpoint that lies outside the sandbox, null when there is none. */
  savedTree(projectId: string): Promise<{ readonly tree: string; readonly savedAt: Date } | null>
  /** Moves the project on to its next generation and notes the loss, for people and the model to be told. */
  giveUp(lost: SandboxRef, saved: { readonly tree: string; readonly savedAt: Date }): Promise<boolean>
  /** Commands that were started and have no result: nobody knows what became of them. */
  lostExecs(projectId: string): Promise<readonly { readonly execId: string; readonly taskId: string }[]>
}

export interface Workspaces {
  /**
   * The project's sandbox, ready to use. One that is lost is made anew from its newest saved checkpoint where there is one;
   * one that is only out of reach is never replaced. Throws `not_found`, `sandbox_*`, `project_source_failed`. Safe to
   * repeat and to call from several processes at once.
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
  readonly recovery?: WorkspaceRecovery
}): Workspaces {
  const { store, provider, recovery } = options

  /** The project's row, moved on to its next generation when its sandbox is lost and can be made anew. */
  async function settledRow(projectId: string): Promise<WorkspaceRow> {
    const row = await store.touch(projectId)
    const saved = recovery && row.ref && row.filled ? await recovery.savedTree(projectId) : null
    if (!recovery || !row.ref || !saved || !(await isGone(provider, row.ref))) return row
    await recovery.giveUp(row.ref, saved)
    return await store.touch(projectId)
  }

  async function make(projectId: string): Promise<Sandbox> {
    const row = await settledRow(projectId)
    const existing = row.ref === null ? {} : { existing: row.ref }
    const saved = row.filled ? null : await recovery?.savedTree(projectId)
    const lost = saved ? { lostExecs: (await recovery?.lostExecs(projectId)) ?? [] } : {}
    const kind = kindOf(row.provider)
    const ref = await provider.ensure({ projectId, generation: row.generation, kind, ...existing, ...lost })
    const sandbox = await provider.open(ref)
    hitCrashPoint('sandbox.made.before_record')
    if (saved) await sandbox.restore(saved.tree)
    else if (!row.filled) await options.fill(projectId, sandbox)
    hitCrashPoint('sandbox.filled.before_record')
    if (!(await store.save(ref, true)))
      throw new AppError('sandbox_busy', 'The project’s sandbox was replaced meanwhile.')
    return sandbox
  }

  return {
    async open(projectId) {
      const row = await store.touch(projectId)
      if (row.ref && row.filled) {
        const sandbox = await openUnlessGone(provider, row.ref, recovery !== undefined)
        if (sandbox) return sandbox
      }
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

/** Null when it is gone and that may be mended; otherwise every failure is thrown. */
async function openUnlessGone(provider: SandboxProvider, ref: SandboxRef, mayMend: boolean): Promise<Sandbox | null> {
  try {
    return await provider.open(ref)
  } catch (error) {
    if (mayMend && error instanceof AppError && error.code === 'sandbox_gone') return null
    throw error
  }
}

/** Only what the provider itself says does not exist any more is gone: whatever cannot be reached may hold unsaved work. */
async function isGone(provider: SandboxProvider, ref: SandboxRef): Promise<boolean> {
  return (await openUnlessGone(provider, ref, true)) === null
}

function kindOf(provider: string): SandboxKind {
  if (provider === 'local-bwrap' || provider === 'e2b' || provider === 'unsafe-host') return provider
  throw new AppError('sandbox_unavailable', `There is no sandbox provider ${provider}.`)
}
