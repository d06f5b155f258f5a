/** What the steps of a publication work on and with. */

import type { Credentials } from '../credentials/credentials.ts'
import type { Db } from '../db/client.ts'
import { getProject, type Project } from '../db/project/projects.ts'
import type { Publication } from '../db/task/publications.ts'
import type { Sandbox, SandboxProvider } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import type { GitSettings } from '../sources/run-git.ts'
import type { NamedForge } from './forges/find-forge.ts'
import type { PublishTarget } from './publish-target.ts'

/** Whom a commit names as author or committer. */
export interface Person {
  readonly name: string
  readonly email: string
}

/** What the steps need: where files and tokens are, and in whose name commits are made. */
export interface PublishDeps {
  readonly db: Db
  /** A local provider, where commits are made; null: there is none here. */
  readonly staging: SandboxProvider | null
  open(projectId: string): Promise<Sandbox>
  readonly credentials: Pick<Credentials, 'find' | 'markUsed'>
  /** Services that the operator named. */
  readonly forges: readonly NamedForge[]
  readonly git: GitSettings & { readonly author: Person; readonly committer: Person }
}

/** What a step is watched by. */
export interface StepControl {
  readonly signal: AbortSignal
  onProgress(): void
}

/** A project that was made from a repository. */
export type GitProject = Project & { readonly source: Extract<Project['source'], { kind: 'git' }> }

/** One publication while a step works on it. */
export interface Work {
  readonly publication: Publication
  readonly project: GitProject
  readonly target: PublishTarget
  /** The directory on this host in which the commit is made. */
  readonly place: Sandbox
  readonly control: StepControl
}

/** Throws `no_git_source` with the way out, `not_found`. */
export async function gitProject(db: Db, projectId: string): Promise<GitProject> {
  const project = await getProject(db, projectId)
  const { source } = project
  if (source.kind === 'git') return { ...project, source }
  const message =
    'This project was not made from a repository, so there is nowhere to publish to. Take its patch (GET /api/tasks/:taskId/patch) or its files (GET /api/workspace/:projectId/archive).'
  throw new AppError('no_git_source', message)
}
