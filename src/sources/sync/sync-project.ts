import { credentialHostOf } from '../../credentials/credential-host.ts'
import type { Credentials } from '../../credentials/credentials.ts'
import type { Db } from '../../db/client.ts'
import { type HeldLock, TAKEN, whileRestoring } from '../../db/project/project-lock.ts'
import { getProject, type Project } from '../../db/project/projects.ts'
import { requireIdle } from '../../db/task/require-idle.ts'
import { inProject } from '../../db/transaction.ts'
import type { Checkpoint } from '../../db/workspace/checkpoints.ts'
import { failRestore, type Restore } from '../../db/workspace/restores.ts'
import { beginSync, completeSync, recordSyncedCommit } from '../../db/workspace/syncs.ts'
import type { GitSource } from '../../sandbox/fill.ts'
import { shownPath } from '../../sandbox/sources/shown-path.ts'
import { entriesOfFiles } from '../../sandbox/sources/tree-entry.ts'
import type { Sandbox, SandboxProvider, WorkspaceEntry } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { restoreRunning } from '../../shared/refusals.ts'
import { gitCredentialFor } from '../git-credential.ts'
import { gitHostOf } from '../git-host.ts'
import type { GitSettings } from '../run-git.ts'
import { applyMerge, moveHistory } from './apply-merge.ts'
import { type Merge, mergeUpstream, type OnConflict } from './merge-upstream.ts'

/** What a sync needs of the process that does it. */
export interface SyncDeps {
  readonly db: Db
  /** Throws `sandbox_*`. */
  open(projectId: string): Promise<Sandbox>
  readonly git: GitSettings
  readonly credentials: Pick<Credentials, 'find' | 'markUsed'>
  readonly staging: SandboxProvider | null
  /** A task that waited may start. Must not throw. */
  kick(): void
}

/** What a sync came to. */
export interface Synced {
  readonly status: 'up_to_date' | 'merged' | 'conflicts'
  /** The commits before and now. */
  readonly from: string
  readonly commit: string
  /** Paths that changed here, and those with conflict marks in them. */
  readonly changed: readonly string[]
  readonly conflicts: readonly string[]
  /** Whether the project's own git has the new commits; the files are merged all the same. */
  readonly historyMoved: boolean
  /** The files after it; absent when none had to change. */
  readonly checkpoint?: Checkpoint
}

/** Named in an answer and a note; more are counted. */
const MAX_NAMED = 20
const COMMIT_ID = /^[0-9a-f]{40}([0-9a-f]{24})?$/

/**
 * Brings what came upstream since a project was cloned (or last synced) into its files, by git's three-way merge in a sandbox
 * of ours. Throws `bad_request` for a project that has no branch to follow, `task_running`, `restore_running` and
 * `sandbox_busy` (both retryable), `sync_conflict` with the paths, `project_source_failed` with a sentence and `sandbox_*`:
 * nothing has changed then. Safe to repeat.
 */
export async function syncProject(deps: SyncDeps, projectId: string, onConflict: OnConflict): Promise<Synced> {
  const project = await getProject(deps.db, projectId)
  const { staging } = deps
  if (project.source.kind !== 'git') throw cannot('was not cloned from a repository')
  const { source } = project
  if (source.ref !== undefined && COMMIT_ID.test(source.ref)) {
    throw cannot('was made of one commit, which never moves; make one of a branch')
  }
  if (staging === null) throw new AppError('sandbox_unavailable', 'A sync needs bubblewrap on this host.')
  const idle = () => inProject(deps.db, projectId, requireIdle)
  await idle()
  const host = gitHostOf(source.url, deps.git.origins)
  const credential = await gitCredentialFor(deps.credentials, source, host)
  const sandbox = await deps.open(projectId)
  const base = (await getProject(deps.db, projectId)).sourceReport?.commit
  if (base === undefined) throw cannot('came from a repository without commits')
  const before = await sandbox.checkpoint()
  const ask = {
    url: source.url,
    ref: source.ref,
    base,
    onConflict,
    entries: await filesOf(sandbox, before),
    settings: deps.git,
    credential,
    host: credentialHostOf(host),
    onCredentialUsed: async () => {
      if (credential !== null) await deps.credentials.markUsed(credential.id)
    },
    check: () => undefined,
  }
  return await mergeUpstream(staging, ask, async (merge) => {
    if (merge.kind === 'current') return { ...upToDate(base, base), historyMoved: true }
    if (merge.kind === 'conflicts') throw conflict(merge)
    const answer = await whileRestoring(deps.db, projectId, async (held) => {
      await idle()
      await sandbox.killAll()
      if ((await sandbox.checkpoint()) !== before) throw movedOn()
      if (merge.removed.length + merge.written.size === 0) return await onlyCommit(deps.db, projectId, base, merge)
      return await apply(deps, { project, source, sandbox, base, before, merge, held })
    })
    if (answer === TAKEN) throw restoreRunning()
    // Behind everything that counts: without it the project's own git lacks the new commits, and nothing else.
    const historyMoved = await moveHistory(sandbox, merge, { base, branch: source.ref }).catch(() => false)
    return { ...answer, historyMoved }
  })
}

type Merging = Omit<Synced, 'historyMoved'>
type Merged = Extract<Merge, { kind: 'merged' }>

interface Application {
  readonly project: Project
  readonly source: GitSource
  readonly sandbox: Sandbox
  readonly base: string
  readonly before: string
  readonly merge: Merged
  readonly held: HeldLock
}

async function apply(
  deps: SyncDeps,
  { project, source, sandbox, base, before, merge, held }: Application,
): Promise<Merging> {
  const sync = await beginSync(deps.db, project.id, before)
  try {
    await applyMerge(sandbox, merge, () => held.check())
    const treeHash = await sandbox.checkpoint()
    const changes = await sandbox.changes(before, treeHash)
    const sum = (key: 'added' | 'removed') => changes.reduce((total, change) => total + change[key], 0)
    const stat = { files: changes.length, added: sum('added'), removed: sum('removed') }
    const label = `${source.ref ?? 'upstream'} at ${merge.tip.slice(0, 7)}`
    const conflicts = merge.conflicts.map(shownPath)
    const note = noteText(label, stat.files, conflicts)
    held.check()
    const result = { treeHash, changes, stat, commit: merge.tip, label, note }
    const checkpoint = await completeSync(deps.db, sync, result)
    const changed = changes.map(({ path }) => path)
    const status = conflicts.length > 0 ? 'conflicts' : 'merged'
    return { status, from: base, commit: merge.tip, changed, conflicts, checkpoint }
  } catch (error) {
    await goBack(deps.db, sync, sandbox, before, error)
    throw error
  } finally {
    deps.kick()
  }
}

/** The files as they are, or, where a sandbox is elsewhere, as its checkpoint has them. */
async function filesOf(sandbox: Sandbox, tree: string): Promise<AsyncIterable<WorkspaceEntry>> {
  if (sandbox.packedEntries) return await sandbox.packedEntries()
  if (sandbox.treeFiles) return entriesOfFiles(sandbox.treeFiles(tree))
  throw cannot('is in a sandbox that gives its files to nobody; use another kind')
}

/** What cannot be undone now stays pending: whoever opens the files next goes back. */
async function goBack(db: Db, sync: Restore, sandbox: Sandbox, before: string, cause: unknown): Promise<void> {
  try {
    await sandbox.restore(before)
    await failRestore(db, sync, cause instanceof Error ? cause.message : String(cause))
  } catch (error) {
    const message = 'The sync failed, and the files are put back by whoever opens them next.'
    throw new AppError('sandbox_busy', message, { cause: error })
  }
}

async function onlyCommit(db: Db, projectId: string, base: string, merge: Merged): Promise<Merging> {
  await recordSyncedCommit(db, projectId, merge.tip)
  return upToDate(base, merge.tip)
}

function upToDate(from: string, commit: string): Merging {
  return { status: 'up_to_date', from, commit, changed: [], conflicts: [] }
}

function noteText(label: string, files: number, conflicts: readonly string[]): string {
  const what = `The files were synced with ${label} (${files === 1 ? '1 file' : `${files} files`} changed).`
  if (conflicts.length === 0) return what
  return `${what} Conflict marks are in ${named(conflicts)}: ask for them to be resolved.`
}

function conflict({ paths, inWay }: Extract<Merge, { kind: 'conflicts' }>): AppError {
  const names = paths.map(shownPath)
  const why = inWay
    ? `Upstream has new files where others lie here that git does not know: ${named(names)}. Move or remove those first.`
    : `Upstream changed what was changed here, too: ${named(names)}. Nothing was merged; with onConflict "markers" the marks are in the files.`
  return new AppError('sync_conflict', why, { details: { paths: names } })
}

function named(paths: readonly string[]): string {
  const rest = paths.length - MAX_NAMED
  return `${paths.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

function movedOn(): AppError {
  return new AppError('sandbox_busy', 'The project’s files changed while they were merged. Try again.')
}

function cannot(why: string): AppError {
  return new AppError('bad_request', `This project ${why}: there is nothing to sync it with.`)
}
