/** The server's answers as far as the client shows them. */

export interface TaskAnswer {
  readonly id: string
  readonly status: string
  readonly model: string
  readonly turn: number
  readonly outcome?: string
  readonly usage: {
    readonly inputTokens: number
    readonly outputTokens: number
    readonly cacheReadTokens: number
    readonly cacheWriteTokens: number
  }
  /** null when a call had no known price. */
  readonly costUsd: number | null
  readonly budget?: { readonly maxUsd?: number | null }
}

/** A long-lived command of the project. */
export interface ServiceAnswer {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly port: number | null
  readonly exitCode: number | null
  readonly reason?: string
}

/** A project’s dev servers, those that ended included, as `GET …/services` lists them. */
export interface ServicesAnswer {
  readonly items: readonly ServiceAnswer[]
}

/** Tries at a task's request, side by side. */
export interface ComparisonAnswer {
  readonly id: string
  readonly state: string
  readonly chosenIndex: number | null
  readonly reason: string | null
  readonly items: readonly {
    readonly index: number
    readonly model: string
    readonly status: string
    readonly outcome: string | null
    readonly evidence: string | null
    readonly failedChecks: number | null
    readonly openFindings: number | null
    readonly diffStat: { readonly files: number; readonly added: number; readonly removed: number } | null
    readonly costUsd: number | null
  }[]
}

/** A task in a list. */
export interface ListedTask {
  readonly id: string
  readonly projectId: string
  readonly status: string
  readonly outcome?: string
  readonly evidence: string
  readonly diffStat: { readonly files: number; readonly added: number; readonly removed: number }
  readonly createdAt: string
}

/**
 * What waits for a person, or was decided: of `question` the words and options, of a tool’s call the command or the
 * paths.
 */
export interface ApprovalAnswer {
  readonly id: string
  readonly projectName: string
  readonly kind: string
  readonly title: string
  readonly question?: string
  readonly options?: readonly string[]
  readonly default?: string
  readonly command?: string
  readonly paths?: readonly string[]
  readonly status: string
  readonly expiresAt: string
}

/**
 * What a task changed, from the files it began with to those now; `patch` is unified and cut off where `truncated`
 * says so.
 */
export interface DiffAnswer {
  readonly stat: { readonly files: number; readonly added: number; readonly removed: number }
  readonly files: readonly {
    readonly path: string
    readonly kind: string
    readonly added: number
    readonly removed: number
    readonly binary: boolean
  }[]
  readonly patch: string
  readonly truncated: boolean
}

/**
 * What the agent is told of the project, as Markdown; `hash` is that of the files it was made from, `tokens` an
 * estimate.
 */
export interface ProjectContextAnswer {
  readonly markdown: string
  readonly hash: string
  readonly generatedAt: string
  readonly tokens: number
}

/** What a project’s commands run in, and how its newest set-up ended. */
export interface EnvironmentAnswer {
  readonly version: number
  readonly network: { readonly policy: string; readonly hosts: readonly string[] }
  readonly setup: {
    readonly enabled: boolean
    readonly commands: readonly { readonly name: string; readonly command: string; readonly source: string }[]
  }
  readonly variables: readonly { readonly name: string; readonly value: string }[]
  readonly status: {
    readonly state: string
    readonly durationMs?: number
    readonly fromCache?: boolean
    readonly output?: string
  }
  readonly toolchains: readonly { readonly name: string; readonly version: string }[]
  /** Servers of the version before tell none. */
  readonly services?: readonly object[]
}

/** The files as they were at a moment; `stat` is against the one before. */
export interface CheckpointAnswer {
  readonly id: string
  readonly label: string
  readonly stat: { readonly files: number; readonly added: number; readonly removed: number }
  readonly createdAt: string
}

/**
 * What ran in a task, and which of the words at its end that bears out; `gaps` are checks that proved nothing, and
 * why.
 */
export interface EvidenceAnswer {
  readonly evidence: string
  readonly gaps: readonly { readonly name: string; readonly reason: string }[]
  readonly rows: readonly {
    readonly kind: string
    readonly by: string
    readonly name?: string
    readonly command?: string
    readonly status: string
    readonly exitCode?: number
    readonly durationMs?: number
    readonly reason?: string
  }[]
  /** Servers of the version before tell none. */
  readonly decisions?: readonly {
    readonly title: string
    readonly status: string
    readonly answer?: string
    readonly note?: string
    readonly by?: string
    readonly decidedAt: string
  }[]
  readonly claims: readonly { readonly text: string; readonly mark: string; readonly reason?: string }[]
}

/** Changes of the criteria that reviews suggested and nobody has decided yet. */
export interface CriteriaProposalsAnswer {
  readonly items: readonly {
    readonly id: string
    readonly kind: string
    readonly criterion: { readonly id: string; readonly text: string }
    readonly reason: string
  }[]
}

/** What reviews look for and which checks run; `version` is what a change must name in `If-Match`. */
export interface CriteriaAnswer {
  readonly version: number
  readonly enabled: boolean
  readonly maxFixRounds: number
  readonly criteria: readonly {
    readonly id: string
    readonly text: string
    readonly severity: string
    readonly enabled: boolean
  }[]
  readonly checks: readonly { readonly name: string; readonly command: string; readonly enabled?: boolean }[]
}

/** What the project’s later tasks are told; the ids are what `/forget` takes. */
export interface MemoryAnswer {
  readonly version: number
  readonly facts: readonly { readonly id: string; readonly text: string }[]
}

/** A publication and how far it is. */
export interface PublicationAnswer {
  readonly id: string
  readonly status: 'running' | 'finished' | 'failed'
  readonly step: string
  readonly branch: string
  /** What it waits for, while its step is `approving`. */
  readonly approvalId?: string
  readonly commit?: string
  readonly branchUrl?: string
  /** The fork that it went to. */
  readonly fork?: string
  readonly pullRequest: { readonly number: number; readonly url: string } | null
  readonly error?: { readonly code: string; readonly message: string }
}

/** What a sync brought: the commit that is merged in now, the paths it changed, and those with conflict marks. */
export interface SyncAnswer {
  readonly status: 'up_to_date' | 'merged' | 'conflicts'
  readonly commit: string
  readonly changed: readonly string[]
  readonly conflicts: readonly string[]
}
