/**
 * One publication, step by step. Each step begins with what is already so: a commit that was recorded is not made again, a
 * branch that holds it is not pushed to again. The commit's id follows from the publication's row alone (its dates, its
 * text, its tree and its parent), so that a step which is repeated after its process was killed makes the same one.
 */

import { credentialHostOf } from '../credentials/credential-host.ts'
import {
  endPublication,
  getPublication,
  lastOnBranch,
  type Publication,
  recordProgress,
} from '../db/task/publications.ts'
import { getTask } from '../db/task/tasks.ts'
import type { GitService } from '../egress/git-proxy.ts'
import type { SandboxProvider } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import type { PublicationError, PublishInput } from '../shared/publication.ts'
import { gitCredentialFor } from '../sources/git-credential.ts'
import { gitHostOf } from '../sources/git-host.ts'
import { type GitCredential, type GitResult, runGit } from '../sources/run-git.ts'
import { slugOf } from './branch-name.ts'
import { putFiles, removedPaths } from './commit-files.ts'
import {
  COMMIT_SCRIPT,
  DEEPEN_SCRIPT,
  FETCH_SCRIPT,
  MARKS_SCRIPT,
  PUSH_SCRIPT,
  TOLD,
  TREE_SCRIPT,
} from './commit-scripts.ts'
import { createForges } from './forges/open-forge.ts'
import { openOrUpdate } from './open-pull-request.ts'
import { openPlace, placeEnvironment, removePlace, runInPlace } from './place.ts'
import { type CommitPlan, planCommit } from './plan-commit.ts'
import { commitMessage, gitDate, pullRequestWords } from './publication-words.ts'
import { forkNotReady, type PublishTarget, requireFilled, targetOf } from './publish-target.ts'
import { type GitProject, gitProject, type PublishDeps, type StepControl, type Work } from './publish-work.ts'
import { fetchFailure, isTooShallow, pushFailure } from './push-failure.ts'
import { refuseMarks, refuseWorkflowFiles, requireBase } from './refuse-publication.ts'
import { LS_REMOTE_SCRIPT, prefixesOf, type RemoteRefs, readRemoteRefs } from './remote-refs.ts'

const LIMIT_MINUTES = 8
/** A host may run checks of its own before it takes a push. */
const SILENCE_MS = 120_000
const MAX_LISTED_CHARACTERS = 1024 * 1024
/** What keeps a service from saying whether a branch is protected; the push will tell. */
const ASKED_IN_VAIN: ReadonlySet<ErrorCode> = new Set([
  'forge_unknown',
  'forge_unreachable',
  'forge_refused',
  'missing_scope',
  'credential_refused',
])

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

/** The name for a conversation whose own is taken: with the end of its id. Pure. */
export function spareBranch({ branch, conversationId }: Pick<Publication, 'branch' | 'conversationId'>): string {
  const suffix = `-${conversationId.slice(-6)}`
  return branch.endsWith(suffix) ? `${branch}-2` : branch + suffix
}

/** `keelson/` and the conversation's title. Pure. */
export function defaultBranch(title: string): string {
  return `keelson/${slugOf(title)}`
}

/** The same files were published before: their commit stands for them. */
async function alreadyThere({ db }: PublishDeps, publication: Publication, parent: string | null): Promise<string> {
  const last = await lastOnBranch(db, publication)
  if (parent !== null && last?.commit === parent) return parent
  throw new AppError('no_changes', 'These files are in the repository already: there is nothing to commit.')
}
