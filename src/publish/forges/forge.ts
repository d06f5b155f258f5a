/** Services that keep repositories and take pull requests: one interface, by whichever client each of them has. */

export const FORGE_KINDS = ['github', 'gitlab', 'gitea'] as const
/** A family of services with one protocol: GitHub with GitHub Enterprise, GitLab, and Gitea with Forgejo. */
export type ForgeKind = (typeof FORGE_KINDS)[number]

/**
 * An open pull request as its service shows it; at GitLab a merge request, whose number is the one within its
 * project.
 */
export interface PullRequest {
  readonly number: number
  /** For a browser. */
  readonly url: string
  readonly title: string
  readonly body: string
  /** What makes a draft of it at the beginning of its title, as it stands there; empty where titles make none, or for no draft. */
  readonly draftMark: string
}

/** A person's own copy of a repository at the same service, from which pull requests into it are opened. */
export interface Fork {
  readonly owner: string
  readonly name: string
}

/** What is to be opened: both branches must be there already. */
export interface PullRequestWish {
  /** The branch with the work. */
  readonly head: string
  /** Whose branch that is; null: the repository's own. */
  readonly fork: Fork | null
  /** The branch that it is to go into. */
  readonly base: string
  readonly title: string
  /** Markdown, at most 60,000 characters. */
  readonly body: string
  readonly draft: boolean
}

/** What is to become of a pull request's words; what is left out stays. */
export interface PullRequestText {
  readonly title?: string
  readonly body?: string
}

/**
 * One repository at its service. All calls throw `credential_refused`, `missing_scope` naming the scope, `forge_refused`
 * with the service's words, and `forge_unreachable` (retried) when it is away or asks to wait.
 */
export interface Forge {
  readonly kind: ForgeKind
  /** Where a browser finds a branch. */
  branchUrl(branch: string): string
  /** Whether pushes to a branch are restricted, as far as the token may know; false where it may not. */
  isProtected(branch: string): Promise<boolean>
  /**
   * The fork of the token's owner: the one that is there, or a new one, which git can read only some seconds later. Throws
   * `forge_refused` when there can be none. Safe to repeat.
   */
  fork(): Promise<Fork>
  /** The open pull request of a branch; null when there is none. */
  findOpen(at: Pick<PullRequestWish, 'head' | 'base' | 'fork'>): Promise<PullRequest | null>
  /** Opens one; null when there is one already, which `findOpen` then finds. */
  create(wish: PullRequestWish): Promise<PullRequest | null>
  /** Changes what is named and nothing else: labels, reviewers and the rest stay. Safe to repeat. */
  update(number: number, text: PullRequestText): Promise<PullRequest>
}

/** What a service answered. */
export interface ForgeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Its own words, as far as they are known. */
  readonly message: string
}

/** A service as it was found, or named by the operator. */
export interface ForgePlace {
  readonly kind: ForgeKind
  /** Where its API begins, without a slash at the end. */
  readonly baseUrl: string
}
