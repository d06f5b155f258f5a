/**
 * Clones a repository by git inside the sandbox that gets it, which reaches that one repository through a door of its own and
 * nothing else. Size, files and time are limited like a workspace.
 */

import { credentialHostOf } from '../credentials/credential-host.ts'
import type { FillReport, GitSource } from '../sandbox/fill.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { FillControl } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { describeFailedClone } from './clone-failure.ts'
import { CLONE_SCRIPT } from './clone-script.ts'
import { gitHostOf } from './git-host.ts'
import { type GitCredential, type GitSettings, runGit } from './run-git.ts'

/** Commits of history that a clone has when nobody says otherwise. */
export const DEFAULT_DEPTH = 50
const LIMIT_MINUTES = 8
const MAX_FILES = 200_000
const MIB = 1024 * 1024

/** How a clone reaches its host, and who is told how far it is. */
export interface CloneOptions {
  readonly settings: GitSettings
  /** For the repository's host, if there is one. */
  readonly credential: GitCredential | null
  /** Told when the credential was sent to its host. */
  onCredentialUsed(): Promise<void>
  readonly control: Pick<FillControl, 'check' | 'onProgress'>
}

/**
 * Clones into an empty sandbox that has doors. Throws `project_source_failed` with a sentence, and `sandbox_*`; the sandbox
 * is to be thrown away then.
 */
export async function cloneRepository(sandbox: Sandbox, source: GitSource, options: CloneOptions): Promise<FillReport> {
  const { settings, credential, control } = options
  const place = gitHostOf(source.url, settings.origins)
  const { workspaceBytes, fileBytes } = sandbox.limits ?? { workspaceBytes: 1024 * MIB, fileBytes: 1024 * MIB }
  control.onProgress(`Cloning from ${place.host}`)
  const depth = String(source.depth ?? DEFAULT_DEPTH)
  const { state, output, failure, usedCredential } = await runGit(
    sandbox,
    {
      name: 'clone',
      url: source.url,
      services: ['git-upload-pack'],
      credential,
      script: CLONE_SCRIPT,
      words: [source.url, source.ref ?? '', depth, String(workspaceBytes), String(fileBytes), String(MAX_FILES)],
      limitMinutes: LIMIT_MINUTES,
      onOutput: (text) => {
        const said = progressIn(text)
        if (said !== null) control.onProgress(said)
      },
    },
    settings,
    control,
  )
  if (usedCredential) await options.onCredentialUsed()
  if (state.exitCode !== 0) {
    const { status, reason } = state
    const told = { status, reason, output, ref: source.ref, failure, host: credentialHostOf(place) }
    throw failed(describeFailedClone({ ...told, limitMinutes: LIMIT_MINUTES }))
  }
  return await reportOf(sandbox, output, place.host)
}

/** How far git is, in words of ours; null when it says nothing of that. Pure. */
export function progressIn(text: string): string | null {
  const [, what, percent] =
    [...text.matchAll(/(Receiving objects|Resolving deltas|Updating files):\s+(\d{1,3})%/g)].at(-1) ?? []
  if (what === undefined || percent === undefined) return null
  const words = what === 'Receiving objects' ? 'Cloning' : what === 'Resolving deltas' ? 'Unpacking' : 'Writing files'
  return `${words}: ${percent} %`
}

async function reportOf(sandbox: Sandbox, output: string, host: string): Promise<FillReport> {
  const { sizeBytes, files } = await sandbox.usage()
  const most = sandbox.limits?.workspaceBytes ?? Number.MAX_SAFE_INTEGER
  if (sizeBytes > most) {
    throw failed(
      `The repository cannot be cloned: with its history it is more than ${Math.round(most / MIB)} MiB, the limit of a workspace.`,
    )
  }
  const commit = /^keelson:commit ([0-9a-f]{40,64})$/m.exec(output)?.[1]
  const [, submodules = '0', lfs = '0'] = /^keelson:left-out (\d+) (\d+)$/m.exec(output) ?? []
  const notes = [
    ...(Number(submodules) > 0 ? [`Submodules (${submodules}) were not fetched; their directories are empty.`] : []),
    ...(Number(lfs) > 0 ? ['Files kept in Git LFS were not fetched; what is there are pointers to them.'] : []),
    ...(commit === undefined ? [`The repository at ${host} has no commits yet.`] : []),
  ]
  return { files, sizeBytes, notes, ...(commit === undefined ? {} : { commit }) }
}

function failed(message: string): AppError {
  return new AppError('project_source_failed', message)
}
