/**
 * From a project to its open sandbox: makes it when there is none, fills it once from the project's source, adopts what
 * another process made meanwhile. Postgres is the authority on which sandbox a project has.
 */

import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { createSlots } from '../shared/slots.ts'
import { stillPrepared } from '../shared/still-prepared.ts'
import type { Sandbox, SandboxKind, SandboxProvider, SandboxRef } from './types.ts'

/** What Postgres knows of a project's sandbox. */
export interface WorkspaceRow {
  /** The provider that the project chose. */
  readonly provider: string
  readonly generation: number
  readonly ref: SandboxRef | null
  readonly filled: boolean
  /** Somebody began to fill this generation; what it holds is not to be taken over unless `filled`. */
  readonly fillBegun: boolean
}

/** Where it is noted which sandbox a project has. Each call is one move in the database, and safe to repeat. */
export interface WorkspaceRecords {
  /** Throws `not_found`. */
  touch(projectId: string): Promise<WorkspaceRow>
  /** False when another generation won meanwhile. */
  save(ref: SandboxRef, filled: boolean): Promise<boolean>
  /** Notes that a sandbox is being filled; false when another generation won meanwhile. */
  beginFill(ref: SandboxRef): Promise<boolean>
  /** Moves the project on to its next generation, unless this one is filled. Safe to repeat. */
  discardFill(ref: Pick<SandboxRef, 'projectId' | 'generation'>): Promise<void>
  /**
   * Runs `work` while no other process makes or fills the same project's sandbox, without keeping a connection. Throws
   * `sandbox_busy` when somebody else is at it for longer than `waitMs`.
   */
  locked<T>(
    projectId: string,
    work: (held: { check(): void }) => Promise<T>,
    wait: { readonly waitMs: number; onWait(): void },
  ): Promise<T>
}

/** What a fill is told and tells. */
export interface FillControl {
  /** Throws `sandbox_busy` when another process may have taken over; asked before each step that writes. */
  check(): void
  /** Something moved: whoever waits for the sandbox is alive. `said` are a few words of ours for people. Never throws. */
  onProgress(said?: string): void
  /** Runs work that costs this process something when it is its turn: at most four fills do so at once. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
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

/** How whoever opens a workspace learns that the work goes on. */
export interface OpenOptions {
  /** Called whenever something moves while the sandbox is made, filled or waited for. Must not throw. */
  onProgress?(said?: string): void
}

/** The sandboxes of all projects, each made and filled when it is first needed. */
export interface Workspaces {
  /**
   * The project's sandbox, ready to use. One that is lost is made anew from its newest saved checkpoint where there is one;
   * one that is only out of reach is never replaced. Throws `not_found`, `sandbox_*`, `project_source_failed`. Safe to
   * repeat and to call from several processes at once: it is made and filled once. Whoever waits longer than the process's
   * patience is told `sandbox_busy`, while the work goes on.
   */
  open(projectId: string, options?: OpenOptions): Promise<Sandbox>
  /** The same, but null when the project has none (yet, or any more): nothing is made. */
  openExisting(projectId: string): Promise<Sandbox | null>
  /** Ends the project's processes and removes its files. Safe to repeat. */
  destroy(ref: SandboxRef): Promise<void>
}

/** Sandboxes that one process fills at once; the others wait their turn. */
const MAX_AT_ONCE = 4
/** How long somebody waits for a sandbox that is being made, unless the process says otherwise. */
const DEFAULT_PATIENCE_MS = 45_000

interface Preparation {
  readonly sandbox: Promise<Sandbox>
  readonly listeners: Set<(said?: string) => void>
}

/** Ties the provider to what is noted of projects. The result keeps nothing that lasts: any number of processes may have one. */
export function createWorkspaces(options: {
  readonly store: WorkspaceRecords
  readonly provider: SandboxProvider
  /** Puts the project's source into an empty sandbox. Throws `project_source_failed` and `sandbox_*`. */
  fill(projectId: string, sandbox: Sandbox, control: FillControl): Promise<void>
  readonly recovery?: WorkspaceRecovery
  /** How long `open` waits, in milliseconds, before it says that the files are still being brought in. */
  readonly patienceMs?: number
}): Workspaces {
  const { store, provider, recovery, patienceMs = DEFAULT_PATIENCE_MS } = options
  const preparations = new Map<string, Preparation>()
  const slots = createSlots(MAX_AT_ONCE)

  /** The project's row, moved on to its next generation when its sandbox is lost and can be made anew, or half filled. */
  async function settledRow(projectId: string): Promise<WorkspaceRow> {
    const row = await store.touch(projectId)
    if (!row.filled && row.fillBegun && isLocal(row)) {
      await discard({ projectId, generation: row.generation }, row.ref)
      return await store.touch(projectId)
    }
    const saved = recovery && row.ref && row.filled ? await recovery.savedTree(projectId) : null
    if (!recovery || !row.ref || !saved || !(await isGone(provider, row.ref))) return row
    await recovery.giveUp(row.ref, saved)
    return await store.touch(projectId)
  }

  /** First the row, so that a process that still fills the old one cannot record it, then the files. */
  async function discard(generation: Pick<SandboxRef, 'projectId' | 'generation'>, ref: SandboxRef | null) {
    await store.discardFill(generation)
    if (ref) await provider.destroy(ref)
  }

  async function make(projectId: string, control: FillControl): Promise<Sandbox> {
    const row = await settledRow(projectId)
    const existing = row.ref === null ? {} : { existing: row.ref }
    const saved = row.filled ? null : await recovery?.savedTree(projectId)
    const lost = saved ? { lostExecs: (await recovery?.lostExecs(projectId)) ?? [] } : {}
    const kind = kindOf(row.provider)
    const ref = await provider.ensure({ projectId, generation: row.generation, kind, ...existing, ...lost })
    const sandbox = await provider.open(ref)
    hitCrashPoint('sandbox.made.before_record')
    if (!row.filled) await fillOrDiscard(sandbox, control, saved?.tree)
    hitCrashPoint('sandbox.filled.before_record')
    if (!(await store.save(ref, true))) throw replaced()
    return sandbox
  }

  /** A source that cannot be brought in leaves nothing half made. */
  async function fillOrDiscard(sandbox: Sandbox, control: FillControl, savedTree: string | undefined): Promise<void> {
    const { ref } = sandbox
    if (!(await store.beginFill(ref))) throw replaced()
    try {
      if (savedTree !== undefined) await sandbox.restore(savedTree)
      else await options.fill(ref.projectId, sandbox, control)
      control.check()
    } catch (error) {
      if (isLocal({ provider: ref.kind })) await discard(ref, ref)
      throw error
    }
  }

  /** One preparation of a project at a time in this process, which goes on when those who wait for it have gone. */
  function prepare(projectId: string): Preparation {
    const known = preparations.get(projectId)
    if (known) return known
    const listeners = new Set<(said?: string) => void>()
    const onProgress = (said?: string) => {
      for (const listener of listeners) listener(said)
    }
    const work = store.locked(
      projectId,
      (held) =>
        make(projectId, { check: held.check, onProgress, inTurn: (work) => slots.run(work, () => onProgress()) }),
      {
        waitMs: patienceMs,
        onWait: () => onProgress(),
      },
    )
    const preparation = { sandbox: work.finally(() => preparations.delete(projectId)), listeners }
    // Whoever waits has the failure; nobody may be waiting any more.
    preparation.sandbox.catch(() => undefined)
    preparations.set(projectId, preparation)
    return preparation
  }

  return {
    async open(projectId, { onProgress } = {}) {
      const row = await store.touch(projectId)
      if (row.ref && row.filled) {
        const sandbox = await openUnlessGone(provider, row.ref, recovery !== undefined)
        if (sandbox) return sandbox
      }
      const { sandbox, listeners } = prepare(projectId)
      if (onProgress) listeners.add(onProgress)
      try {
        return await withPatience(sandbox, patienceMs)
      } finally {
        if (onProgress) listeners.delete(onProgress)
      }
    },
    async openExisting(projectId) {
      try {
        const { ref, filled } = await store.touch(projectId)
        return ref && filled ? await provider.open(ref) : null
      } catch (error) {
        if (error instanceof AppError && (error.code === 'sandbox_gone' || error.code === 'not_found')) return null
        throw error
      }
    },
    destroy: (ref) => provider.destroy(ref),
  }
}

/** Whoever gives up waits no longer; the work goes on. Throws `sandbox_busy` then, and what the work throws. */
async function withPatience<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const outOfPatience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(stillPrepared()), patienceMs)
  })
  try {
    return await Promise.race([work, outOfPatience])
  } finally {
    clearTimeout(timer)
  }
}

function replaced(): AppError {
  return new AppError('sandbox_busy', 'The project’s sandbox was replaced meanwhile.')
}

/** A directory is made anew at no cost; a VM is filled again where it is. */
function isLocal({ provider }: { readonly provider: string }): boolean {
  return provider !== 'e2b'
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
