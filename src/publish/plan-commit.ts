import { AppError } from '../shared/errors.ts'
import type { RemoteRefs } from './remote-refs.ts'
import { prefixesOf } from './remote-refs.ts'

/** What is known of a branch before anything is made: what was wished for, and what this project did there before. */
export interface CommitAsk {
  readonly branch: string
  /** Whether a person named it. */
  readonly isNamed: boolean
  /** What this project published there last, and what its files came from then. */
  readonly last: { readonly commit: string; readonly base: string | null } | null
  /** The commit that was checked out; null: the repository was empty. */
  readonly checkedOut: string | null
  /** The branch that was checked out. */
  readonly cloned: string | null
}

/** What the commit is put on: the branch's own tip, or for a new branch what was checked out. */
export interface CommitPlan {
  /** null: the first commit of an empty repository. */
  readonly parent: string | null
  /** A second parent: what the project was synced with since the branch's last commit. */
  readonly merged: string | null
  readonly isNewBranch: boolean
}

/**
 * Decides the parent, before anything is pushed. Throws `branch_moved` when the branch holds what this project does not
 * know, and `branch_taken` when it never was this project's, with what to do; null stands for: the name that nobody chose is
 * taken, another one is needed. Pure.
 */
export function planCommit(refs: RemoteRefs, ask: CommitAsk): CommitPlan | null {
  const { branch, isNamed, last, checkedOut, cloned } = ask
  const tip = refs.tips.get(branch) ?? null
  if (tip === null) {
    const inTheWay =
      prefixesOf(branch).find((name) => refs.tips.has(name)) ??
      [...refs.tips.keys()].find((name) => name.startsWith(`${branch}/`))
    if (inTheWay === undefined) return { parent: checkedOut, merged: null, isNewBranch: true }
    if (!isNamed) return null
    throw new AppError(
      'branch_taken',
      `There is a branch ${inTheWay}, beside which git keeps no ${branch}. Name another branch.`,
    )
  }
  if (tip === checkedOut) return { parent: tip, merged: null, isNewBranch: false }
  if (tip === last?.commit) {
    const isSynced = last.base !== null && last.base !== checkedOut
    return { parent: tip, merged: isSynced ? checkedOut : null, isNewBranch: false }
  }
  if (last !== null) {
    // A sync brings in the branch that was cloned, and no other one.
    const wayOut = branch === cloned ? 'sync the project, or publish to another branch' : 'publish to another branch'
    const message = `Somebody else pushed to ${branch} since this project published there. Nothing was overwritten: ${wayOut}.`
    throw new AppError('branch_moved', message, { details: { branch, expected: last.commit, found: tip } })
  }
  if (branch === cloned) {
    const message = `${branch} moved since this project was cloned from it. Nothing was overwritten: sync the project, or publish to a new branch and open a pull request.`
    throw new AppError('branch_moved', message, { details: { branch, expected: checkedOut, found: tip } })
  }
  if (!isNamed) return null
  const message = `${branch} exists already with other work on it. Nothing was overwritten: name another branch.`
  throw new AppError('branch_taken', message, { details: { branch, found: tip } })
}
