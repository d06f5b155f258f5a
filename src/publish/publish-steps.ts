/**
 * One publication, step by step. Each step begins with what is already so: a commit that was recorded is not made again, a
 * branch that holds it is not pushed to again. The commit's id follows from the publication's row alone (its dates, its
 * text, its tree and its parent), so that a step which is repeated after its process was killed makes the same one.
 */

import { z } from 'zod'
import { credentialHostOf } from '../credentials/credential-host.ts'
import type { Credentials } from '../credentials/credentials.ts'
import type { Db } from '../db/client.ts'
import { getProject, type Project } from '../db/project/projects.ts'
import { query } from '../db/query.ts'
import {
  endPublication,
  getPublication,
  lastOnBranch,
  type Publication,
  recordProgress,
} from '../db/task/publications.ts'
import { readTaskRecords } from '../db/task/task-records.ts'
import { getTask } from '../db/task/tasks.ts'
import type { GitService } from '../egress/git-proxy.ts'
import { entryOfTree } from '../sandbox/sources/tree-entry.ts'
import { fromPathText } from '../sandbox/tree-file-path.ts'
import type { Sandbox, SandboxProvider, TreeFile, WorkspaceEntry } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import type { PublicationError, PublishInput } from '../shared/publication.ts'
import { noSuch } from '../shared/refusals.ts'
import { gitCredentialFor } from '../sources/git-credential.ts'
import { gitHostOf } from '../sources/git-host.ts'
import { type GitCredential, type GitResult, type GitSettings, runGit } from '../sources/run-git.ts'
import { slugOf } from './branch-name.ts'
import { asPublished } from './change-text.ts'
import {
  COMMIT_SCRIPT,
  DEEPEN_SCRIPT,
  FETCH_SCRIPT,
  MARKS_SCRIPT,
  PUSH_SCRIPT,
  TOLD,
  TREE_SCRIPT,
} from './commit-scripts.ts'
import type { NamedForge } from './forges/find-forge.ts'
import { createForges } from './forges/open-forge.ts'
import { gitChangesIn } from './git-changes.ts'
import { guardedBody } from './mail-patch.ts'
import { openOrUpdate } from './open-pull-request.ts'
import { openPlace, placeEnvironment, printable, REPOSITORY, removePlace, runInPlace, TREE } from './place.ts'
import { type CommitPlan, planCommit } from './plan-commit.ts'
import { forkNotReady, type PublishTarget, requireFilled, targetOf } from './publish-target.ts'
import { pullRequestText } from './pull-request-text.ts'
import { fetchFailure, isTooShallow, pushFailure } from './push-failure.ts'
import { LS_REMOTE_SCRIPT, prefixesOf, type RemoteRefs, readRemoteRefs } from './remote-refs.ts'
import { workflowFiles } from './workflow-files.ts'

const LIMIT_MINUTES = 8
/** A host may run checks of its own before it takes a push. */
const SILENCE_MS = 120_000
const MAX_LISTED_CHARACTERS = 1024 * 1024
const MAX_REMOVED = 200_000
const MAX_NAMED = 5
const GIT_PATH = /(^|\/)(\.git|git~1)[ .]*(\/|$)/i
/** What keeps a service from saying whether a branch is protected; the push will tell. */
const ASKED_IN_VAIN: ReadonlySet<ErrorCode> = new Set([
  'forge_unknown',
  'forge_unreachable',
  'forge_refused',
  'missing_scope',
  'credential_refused',
])
const AGENT_EMAIL = 'agent@keelson.invalid'

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

/**
 * The steps of one publication, in this order; each reads from its row how far the ones before it came. All throw
 * `sandbox_*` and `store_unavailable`, which are tried again.
 */
export interface PublishSteps {
  /**
   * Looks at the branch, makes the commit and records it. Throws `branch_moved`, `branch_taken`, `workflow_files`,
   * `no_changes`, `credential_*`, `missing_scope`, `git_*` and `sandbox_*`. Safe to repeat.
   */
  buildCommit(publicationId: string, control: StepControl): Promise<void>
  /** Pushes the recorded commit, never by force. Throws as {@link buildCommit} and `branch_protected`. Safe to repeat. */
  pushBranch(publicationId: string, control: StepControl): Promise<void>
  /**
   * Opens the branch's pull request, or brings the one that is open up to date; nothing when none was asked for. Throws
   * `forge_*`, `missing_scope`, `credential_*`. Safe to repeat.
   */
  openPullRequest(publicationId: string, control: StepControl): Promise<void>
  /** Ends the publication with its event and removes what the steps left on this machine. Safe to repeat. */
  finish(input: PublishInput, error: PublicationError | null): Promise<void>
}

type GitProject = Project & { readonly source: Extract<Project['source'], { kind: 'git' }> }

interface Work {
  readonly publication: Publication
  readonly project: GitProject
  readonly target: PublishTarget
  readonly place: Sandbox
  readonly control: StepControl
}

/** Makes the steps of one process. */
export function createPublishSteps(deps: PublishDeps): PublishSteps {
  const { db } = deps
  const forges = createForges(deps)

  const credentialOf = async (source: GitProject['source']): Promise<GitCredential | null> =>
    await gitCredentialFor(deps.credentials, source, gitHostOf(source.url, deps.git.origins))

  /** Said before anything is pushed, where the service tells; where it does not, its answer to the push does. */
  const refuseProtected = async ({ project: { source } }: Work, branch: string): Promise<void> => {
    const credential = await credentialOf(source)
    if (credential === null) return
    let isProtected: boolean
    try {
      isProtected = await forges.use(source.url, credential, (forge) => forge.isProtected(branch))
    } catch (error) {
      if (error instanceof AppError && ASKED_IN_VAIN.has(error.code)) return
      throw error
    }
    if (!isProtected) return
    const message = `${branch} is protected: leave "branch" out, or name another one, and open a pull request.`
    throw new AppError('branch_protected', message, { details: { branch } })
  }

  const begin = async (publicationId: string, control: StepControl): Promise<Work> => {
    const asked = await getPublication(db, publicationId)
    const project = await gitProject(db, asked.projectId)
    const publication = await withFork(asked, project)
    const target = targetOf(publication, project.source.url)
    return { publication, project, target, place: await openPlace(stagingOf(deps), publicationId), control }
  }

  /** Finds or makes the fork that is wanted and records it, once a publication. */
  const withFork = async (publication: Publication, { source }: GitProject): Promise<Publication> => {
    const { id, wantsFork, fork, step } = publication
    if (!wantsFork || fork !== null) return publication
    const { owner, name } = await forges.use(source.url, await credentialOf(source), (forge) => forge.fork())
    hitCrashPoint('publish.forked.before_record')
    return await recordProgress(db, id, { step, fork: `${owner}/${name}` })
  }

  const atRemote = async (
    { project, place, control }: Work,
    run: { script: string; words: readonly string[]; push: boolean; url?: string; onOutput?(text: string): void },
  ): Promise<GitResult> => {
    const url = run.url ?? project.source.url
    const credential = await credentialOf(project.source)
    const services: GitService[] = run.push ? ['git-upload-pack', 'git-receive-pack'] : ['git-upload-pack']
    const result = await runGit(
      place,
      {
        name: 'publish',
        url,
        services,
        credential,
        script: run.script,
        words: [url, ...run.words],
        env: placeEnvironment(place),
        limitMinutes: LIMIT_MINUTES,
        ...(run.onOutput ? { onOutput: run.onOutput } : {}),
      },
      { ...deps.git, silenceMs: Math.max(deps.git.silenceMs ?? 0, SILENCE_MS) },
      { check: () => control.signal.throwIfAborted(), onProgress: control.onProgress },
    )
    if (result.usedCredential && credential !== null) await deps.credentials.markUsed(credential.id)
    return result
  }

  const failedOf = ({ project, publication }: Work, { output, failure }: GitResult) => ({
    output,
    failure,
    host: credentialHostOf(gitHostOf(project.source.url, deps.git.origins)),
    branch: publication.branch,
    isFork: publication.wantsFork,
  })

  /** What a repository says of the branch: the one that is published to, or the project's own. */
  const readRefs = async (
    work: Work,
    branch: string,
    { commit = '', from }: { commit?: string; from: PublishTarget },
  ): Promise<RemoteRefs> => {
    let listed = ''
    const { ref } = work.project.source
    const result = await atRemote(work, {
      script: LS_REMOTE_SCRIPT,
      words: [commit, branch, ...prefixesOf(branch), ...(ref === undefined ? [] : [ref])],
      push: false,
      url: from.url,
      onOutput: (text) => {
        if (listed.length < MAX_LISTED_CHARACTERS) listed += text
      },
    })
    if (result.state.exitCode === 0) return readRemoteRefs(listed)
    const { failure } = result
    const isMissing = failure?.kind === 'status' && failure.status === 404
    throw from.fork !== null && isMissing ? forkNotReady(from.fork) : fetchFailure(failedOf(work, result))
  }

  /** The parent, the branch and the branch that a pull request goes into. */
  const plan = async (work: Work): Promise<CommitPlan & { branch: string; base: string | null }> => {
    const { publication, project, target } = work
    const decide = async (branch: string) => {
      const { ref, url } = project.source
      const own = await readRefs(work, branch, { from: { url, fork: null } })
      const refs = target.fork === null ? own : await readRefs(work, branch, { from: target })
      requireFilled(target, refs, own)
      const cloned = ref === undefined ? own.head : own.tips.has(ref) ? ref : null
      const last = await lastOnBranch(db, { ...publication, branch })
      const found = planCommit(refs, {
        branch,
        isNamed: publication.isNamed,
        last: last === null || last.commit === null ? null : { commit: last.commit, base: last.baseCommit },
        checkedOut: project.sourceReport?.commit ?? null,
        // A sync brings in the repository's branch, and not the fork's of the same name.
        cloned: target.fork === null ? cloned : null,
      })
      return found && { ...found, branch, base: cloned ?? own.head }
    }
    const found = (await decide(publication.branch)) ?? (await decide(spareBranch(publication)))
    if (found !== null) return found
    throw new AppError(
      'branch_taken',
      `The branches ${publication.branch} and ${spareBranch(publication)} exist already: name another one.`,
    )
  }

  /** Makes the commit on its parents in the place and returns its id. */
  const makeCommit = async (
    work: Work,
    { parent, merged, isNewBranch }: Pick<Publication, 'parent' | 'merged' | 'isNewBranch'>,
  ): Promise<string> => {
    const { publication, project, target, place, control } = work
    const local = (script: string, words: readonly string[], stdin?: Uint8Array, env?: Record<string, string>) =>
      runInPlace(place, {
        script,
        words,
        ...(stdin === undefined ? {} : { stdin }),
        ...(env === undefined ? {} : { env }),
        ...control,
      })
    const sandbox = await deps.open(publication.projectId)
    await putFiles(place, sandbox, publication.treeHash, control)
    const parents = [parent, merged].filter((each) => each !== null)
    for (const each of parents) {
      const url = each === parent && isNewBranch === false ? target.url : project.source.url
      const fetched = await atRemote(work, { script: FETCH_SCRIPT, words: [each], push: false, url })
      if (fetched.state.exitCode !== 0) throw fetchFailure(failedOf(work, fetched))
    }
    const on = parent ?? ''
    const removed = await removedPaths(deps, work, sandbox)
    const leaving = Buffer.from(removed.map((each) => `${each}\0`).join(''), 'latin1')
    const told = (await local(TREE_SCRIPT, [on], leaving)).split('\0').filter((each) => each !== '')
    const [tree = '', before = '', ...changed] = told.slice(told.indexOf(TOLD) + 1)
    if (tree === before) return await alreadyThere(deps, publication, parent)
    refuseWorkflowFiles(publication, changed)
    const { finishedAt, createdAt, latestTree } = await getTask(db, publication.taskId)
    if (latestTree !== publication.treeHash) refuseMarks(await local(MARKS_SCRIPT, [before, tree]))
    const message = await commitMessage(deps, publication)
    const { author, committer } = deps.git
    const commit = await local(COMMIT_SCRIPT, [tree, ...parents], Buffer.from(message), {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_AUTHOR_DATE: gitDate(finishedAt ?? createdAt),
      GIT_COMMITTER_NAME: committer.name,
      GIT_COMMITTER_EMAIL: committer.email,
      GIT_COMMITTER_DATE: gitDate(publication.createdAt),
    })
    return commit.trim()
  }

  return {
    async buildCommit(publicationId, control) {
      const begun = await begin(publicationId, control)
      if (begun.publication.commit !== null) return
      const { parent, merged, isNewBranch, branch, base } = await plan(begun)
      const baseCommit = begun.project.sourceReport?.commit
      const work: Work = { ...begun, publication: { ...begun.publication, branch } }
      if (work.publication.pullRequest) requireBase(branch, base, begun)
      if (work.target.fork === null) await refuseProtected(work, branch)
      const commit = await makeCommit(work, { parent, merged, isNewBranch })
      hitCrashPoint('publish.built.before_record')
      await recordProgress(db, publicationId, {
        step: 'pushing',
        branch,
        commit,
        isNewBranch,
        ...(base === null ? {} : { baseBranch: base }),
        ...(parent === null ? {} : { parent }),
        ...(merged === null ? {} : { merged }),
        ...(baseCommit === undefined ? {} : { baseCommit }),
      })
      hitCrashPoint('publish.recorded')
    },
    async pushBranch(publicationId, control) {
      const work = await begin(publicationId, control)
      const { publication } = work
      const { commit, branch, isNewBranch, step } = publication
      if (commit === null) throw new AppError('internal', 'a publication was pushed before its commit was made')
      if (step !== 'pushing') return
      const { tips, isHere } = await readRefs(work, branch, { commit, from: work.target })
      if (tips.get(branch) !== commit) {
        // Another machine made it, or the place was lost: the same row makes the same commit.
        if (!isHere && (await makeCommit(work, publication)) !== commit) {
          throw new AppError('git_refused', 'The commit could not be made again as it was: publish once more.')
        }
        hitCrashPoint('publish.before_push')
        const push = () =>
          atRemote(work, {
            script: PUSH_SCRIPT,
            words: [commit, branch, isNewBranch === true ? 'new' : 'known'],
            push: true,
            url: work.target.url,
          })
        let pushed = await push()
        const upstream = publication.merged ?? publication.parent
        if (work.target.fork !== null && upstream !== null && isTooShallow(pushed.output)) {
          // A fork that lags behind lacks commits of the repository's that one of a fetch's depth knows nothing of.
          const deepened = await atRemote(work, { script: DEEPEN_SCRIPT, words: [upstream], push: false })
          if (deepened.state.exitCode !== 0) throw fetchFailure(failedOf(work, deepened))
          pushed = await push()
        }
        if (pushed.state.exitCode !== 0) throw pushFailure(failedOf(work, pushed))
      }
      hitCrashPoint('publish.pushed.before_record')
      await recordProgress(db, publicationId, { step: 'opening' })
    },
    async openPullRequest(publicationId, control) {
      const publication = await getPublication(db, publicationId)
      const { branch, baseBranch, title, draft } = publication
      if (publication.step !== 'opening') return
      const { source } = await gitProject(db, publication.projectId)
      if (publication.pullRequest && publication.pullRequestNumber === null) {
        if (baseBranch === null) throw new AppError('internal', 'a pull request without a branch to go into')
        const { body, isTitleNamed } = await pullRequestWords(deps, publication)
        const { fork } = targetOf(publication, source.url)
        const wish = { head: branch, fork, base: baseBranch, title, body, draft, isTitleNamed }
        const opened = await forges.use(source.url, await credentialOf(source), (forge) => openOrUpdate(forge, wish))
        control.onProgress()
        const { number: pullRequestNumber, url: pullRequestUrl } = opened
        await recordProgress(db, publicationId, { step: 'opening', pullRequestNumber, pullRequestUrl })
      }
      const branchUrl = forges.branchUrl(targetOf(publication, source.url).url, branch)
      if (branchUrl !== null) await recordProgress(db, publicationId, { step: 'opening', branchUrl })
    },
    async finish({ publicationId, projectId }, error) {
      await endPublication(db, { id: publicationId, projectId }, error)
      hitCrashPoint('publish.ended')
      if (deps.staging !== null) await removePlace(deps.staging, publicationId)
    },
  }
}

function stagingOf({ staging }: PublishDeps): SandboxProvider {
  if (staging !== null) return staging
  const message = 'A commit is made on this host, and no sandbox works here: install bubblewrap.'
  throw new AppError('sandbox_unavailable', message)
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

/** The name for a conversation whose own is taken: with the end of its id. Pure. */
export function spareBranch({ branch, conversationId }: Pick<Publication, 'branch' | 'conversationId'>): string {
  const suffix = `-${conversationId.slice(-6)}`
  return branch.endsWith(suffix) ? `${branch}-2` : branch + suffix
}

/** `keelson/` and the conversation's title. Pure. */
export function defaultBranch(title: string): string {
  return `keelson/${slugOf(title)}`
}

function requireBase(branch: string, base: string | null, { project: { sourceReport }, target }: Work): void {
  if (base === null && sourceReport?.commit !== undefined) {
    const message =
      'A pull request needs a branch to go into, and the repository names no default one: make the project of a branch ("ref"), or push the branch and open it there.'
    throw new AppError('bad_request', message)
  }
  if (base === null) {
    const message = 'A pull request needs a branch to go into, and the repository is empty: push the branch first.'
    throw new AppError('bad_request', message)
  }
  if (branch !== base || target.fork !== null) return
  const message = `A pull request from ${branch} into itself cannot be opened: leave "branch" out, or name another one.`
  throw new AppError('bad_request', message)
}

async function putFiles(place: Sandbox, from: Sandbox, tree: string, control: StepControl): Promise<void> {
  if (from.treeFiles === undefined || place.replaceFiles === undefined) {
    throw new AppError('sandbox_bad_request', 'This kind of sandbox cannot give its files out.')
  }
  await place.replaceFiles(entriesBelow(from.treeFiles(tree)), {
    keep: [REPOSITORY],
    check: () => control.signal.throwIfAborted(),
    onProgress: () => control.onProgress(),
  })
}

async function* entriesBelow(files: AsyncIterable<TreeFile>): AsyncGenerator<WorkspaceEntry> {
  const prefix = Buffer.from(`${TREE}/`)
  yield { kind: 'directory', path: Buffer.from(TREE), mode: 0o755 }
  for await (const file of files) {
    const path = fromPathText(file.path)
    if (GIT_PATH.test(path.toString('latin1'))) continue
    yield { ...readable(entryOfTree(file)), path: Buffer.concat([prefix, path]) }
  }
}

/** Git must be able to read what a task made unreadable for itself; only the execute bit counts in the end. */
function readable(entry: WorkspaceEntry): WorkspaceEntry {
  if (entry.kind === 'symlink') return entry
  return { ...entry, mode: entry.kind === 'directory' ? 0o755 : (entry.mode & 0o100) === 0 ? 0o644 : 0o755 }
}

/**
 * What is to leave the commit: paths that an earlier state of the project had and the delivered one has not. A file that
 * checkpoints never held (too large, too many) is in neither and so stays in the repository.
 */
async function removedPaths({ db }: PublishDeps, { publication }: Work, sandbox: Sandbox): Promise<string[]> {
  const { projectId, taskId, treeHash } = publication
  const last = await lastOnBranch(db, publication)
  const rows = await query<{ tree: string }>(
    db,
    `SELECT tree_hash AS tree FROM checkpoints WHERE project_id = $1 AND dropped_at IS NULL ORDER BY position LIMIT 1`,
    [projectId],
  )
  const { startTree } = await getTask(db, taskId)
  const before = new Set([rows[0]?.tree, startTree, last?.treeHash].filter((tree) => typeof tree === 'string'))
  const removed = new Set<string>()
  for (const tree of before) {
    const { changes } = await gitChangesIn(sandbox, tree, treeHash, MAX_REMOVED)
    for (const { path, to } of changes) if (to === null) removed.add(Buffer.from(path).toString('latin1'))
  }
  return [...removed].sort()
}

/** The same files were published before: their commit stands for them. */
async function alreadyThere({ db }: PublishDeps, publication: Publication, parent: string | null): Promise<string> {
  const last = await lastOnBranch(db, publication)
  if (parent !== null && last?.commit === parent) return parent
  throw new AppError('no_changes', 'These files are in the repository already: there is nothing to commit.')
}

function refuseWorkflowFiles({ allowWorkflowFiles }: Publication, changed: readonly string[]): void {
  const found = workflowFiles(changed)
  if (allowWorkflowFiles || found.length === 0) return
  const named = found.slice(0, MAX_NAMED).join(', ')
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  const message = `The change touches files that make the host run something: ${named}${more}. Look at them, then publish with allowWorkflowFiles.`
  throw new AppError('workflow_files', message)
}

/** What was asked for, as the route wrote it. */
const Wish = z.object({ title: z.string().optional(), body: z.string().optional() })

async function pullRequestWords(
  { db }: PublishDeps,
  publication: Publication,
): Promise<{ body: string; isTitleNamed: boolean }> {
  const task = await getTask(db, publication.taskId)
  const [record] = await readTaskRecords(db, [task.id])
  if (record === undefined) throw noSuch('task')
  const { title, body: own } = Wish.parse(JSON.parse(publication.request))
  const shown = asPublished(task, publication.treeHash)
  const body = pullRequestText({ task: shown, record, own, publicationId: publication.id })
  return { body, isTitleNamed: title !== undefined }
}

/** A sync may have left marks in the files, which nobody wants in a commit. */
function refuseMarks(found: string): void {
  if (found.trim() === '') return
  const message = `The sync left conflict marks in ${printable(found.trim().split('\n').slice(0, MAX_NAMED).join(', '))}. Have them resolved, then publish the task that did it.`
  throw new AppError('sync_conflict', message)
}

async function commitMessage({ db }: PublishDeps, publication: Publication): Promise<string> {
  const { model } = await getTask(db, publication.taskId)
  const agent = model.replace(/[^\w .@/:-]/g, '').slice(0, 80)
  return `${publication.title}\n\n${guardedBody(publication.body)}\nCo-authored-by: Keelson (${agent}) <${AGENT_EMAIL}>\n`
}

function gitDate(date: Date): string {
  return `${Math.floor(date.getTime() / 1000)} +0000`
}
