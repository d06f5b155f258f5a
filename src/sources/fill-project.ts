import type { Credentials } from '../credentials/credentials.ts'
import type { Db } from '../db/client.ts'
import { getProject, type ProjectSource, recordSourceReport } from '../db/project/projects.ts'
import { getCheckpoint } from '../db/workspace/checkpoints.ts'
import { readForkedFiles } from '../db/workspace/forks.ts'
import { bringIn, type FillReport, fillSandbox, type GitSource } from '../sandbox/fill.ts'
import type { Sandbox, SandboxProvider, TreeFile } from '../sandbox/types.ts'
import type { FillControl } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { createSlots, type Slots } from '../shared/slots.ts'
import { type CloneOptions, cloneRepository } from './clone-repository.ts'
import { gitCredentialFor } from './git-credential.ts'
import { gitHostOf } from './git-host.ts'
import type { GitSettings } from './run-git.ts'

/** Clones at once in one process, and from one host: a host that says nothing keeps its own places alone. */
const MAX_CLONES = 16
const MAX_CLONES_A_HOST = 8

/** What filling a project needs of the process that does it. */
export interface FillerDeps {
  readonly db: Db
  readonly sampleFiles: () => Readonly<Record<string, string>>
  /** Host directories below which a `path` source may lie. */
  readonly projectRoots: readonly string[]
  readonly git: GitSettings
  readonly credentials: Pick<Credentials, 'find' | 'markUsed'>
  /** Where a repository is cloned for a sandbox that cannot do so itself; null when there is nowhere. */
  readonly staging: SandboxProvider | null
  /** The sandbox of another project, null when it has none: a large fork's files are read from there. */
  openExisting(projectId: string): Promise<Sandbox | null>
}

/**
 * What puts a project's source into its empty sandbox and stores what became of it. Throws `project_source_failed`,
 * `not_found` and `sandbox_*`; what was written by then is to be thrown away.
 */
export function createFiller(deps: FillerDeps) {
  const clones = createSlots(MAX_CLONES)
  const hosts = new Map<string, { slots: Slots; users: number }>()

  /** At most so many from one host, and no memory of hosts that nobody asks for any more. */
  const atHost = async <T>(authority: string, onWait: () => void, work: () => Promise<T>): Promise<T> => {
    const host = hosts.get(authority) ?? { slots: createSlots(MAX_CLONES_A_HOST), users: 0 }
    hosts.set(authority, host)
    host.users += 1
    try {
      return await host.slots.run(() => clones.run(work, onWait), onWait)
    } finally {
      host.users -= 1
      if (host.users === 0) hosts.delete(authority)
    }
  }

  const clone = async (sandbox: Sandbox, source: GitSource, control: FillControl): Promise<FillReport> => {
    const host = gitHostOf(source.url, deps.git.origins)
    const credential = await gitCredentialFor(deps.credentials, source, host)
    const onCredentialUsed = async () => {
      if (credential !== null) await deps.credentials.markUsed(credential.id)
    }
    const options = { settings: deps.git, credential, onCredentialUsed, control }
    return await atHost(
      host.authority,
      () => control.onProgress(),
      async () => {
        if (sandbox.doors) return await cloneRepository(sandbox, source, options)
        return await cloneBeside(deps.staging, sandbox, source, options)
      },
    )
  }

  return async (projectId: string, sandbox: Sandbox, control: FillControl): Promise<void> => {
    const { source } = await getProject(deps.db, projectId)
    const report = await fillSandbox(sandbox, source, {
      sampleFiles: deps.sampleFiles,
      projectRoots: deps.projectRoots,
      forkedFiles: () => forkedFiles(deps, projectId, source),
      clone,
      control,
    })
    await recordSourceReport(deps.db, projectId, report)
  }
}

/** What was stored with a fork, or the files of the checkpoint that it was made from. Throws `project_source_failed`. */
async function* forkedFiles(
  { db, openExisting }: FillerDeps,
  projectId: string,
  source: ProjectSource,
): AsyncGenerator<readonly TreeFile[]> {
  if (source.kind !== 'fork' || source.fromCheckpoint === undefined) {
    yield* readForkedFiles(db, projectId)
    return
  }
  try {
    const { treeHash } = await getCheckpoint(db, source.checkpointId)
    const sandbox = await openExisting(source.projectId)
    if (!sandbox?.treeFiles) throw new AppError('not_found', 'The sandbox is gone.')
    for await (const file of sandbox.treeFiles(treeHash)) yield [file]
  } catch (error) {
    if (!(error instanceof AppError) || (error.code !== 'not_found' && error.code !== 'sandbox_bad_request'))
      throw error
    const message =
      'This project was forked from a checkpoint that is too large to be kept beside it, and that checkpoint or its project is gone.'
    throw new AppError('project_source_failed', message, { cause: error })
  }
}

/** Clones into a local sandbox made for it and passes the files on. */
async function cloneBeside(
  staging: SandboxProvider | null,
  sandbox: Sandbox,
  source: GitSource,
  options: CloneOptions & { readonly control: FillControl },
): Promise<FillReport> {
  if (staging === null) {
    const message = 'A repository is cloned on this host first, and no sandbox works here: install bubblewrap.'
    throw new AppError('sandbox_unavailable', message)
  }
  const ref = await staging.ensure({ projectId: newId('prj'), generation: 1, kind: staging.kind })
  try {
    const place = await staging.open(ref)
    const report = await cloneRepository(place, source, options)
    const entries = place.entries?.()
    if (!entries) throw new AppError('sandbox_unavailable', 'This kind of sandbox cannot give its files out.')
    const { control } = options
    const brought = await control.inTurn(() => bringIn(sandbox, entries, report.notes, control))
    return { ...report, ...brought, notes: brought.notes }
  } finally {
    await staging.destroy(ref)
  }
}
