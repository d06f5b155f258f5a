import type { MiddlewareHandler } from 'hono'
import type { Credentials } from '../credentials/credentials.ts'
import type { Db } from '../db/client.ts'
import type { Hub } from '../events/hub.ts'
import type { Log } from '../logger.ts'
import type { Restorer } from '../restore/restorer.ts'
import type { SandboxProviders } from '../sandbox/providers.ts'
import type { ProbeReport, SandboxKind } from '../sandbox/types.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import type { NetworkPolicy } from '../shared/network.ts'
import type { Criteria } from '../shared/review.ts'
import type { Budget } from '../shared/task.ts'
import type { SyncDeps } from '../sources/sync/sync-project.ts'
import type { Auth } from './auth.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ReadOrigin } from './forwarded.ts'
import type { Workers } from './present.ts'
import type { Sse } from './sse.ts'

/** Whether this process can do its work. */
export interface Readiness {
  readonly isReady: boolean
  /** `up` or `down` by part. */
  readonly parts: Readonly<Record<string, string>>
}

/** What keeps commands apart, as it was last asked. */
export type SandboxState = Pick<ProbeReport, 'ok' | 'kind' | 'detail' | 'protections'>

/** What the routes need; `main.ts` builds it, tests build their own. */
export interface AppDeps {
  readonly db: Db
  readonly hub: Hub
  readonly sse: Sse
  readonly auth: Auth
  readonly readOrigin: ReadOrigin
  readonly dispatcher: Pick<Dispatcher, 'kick'>
  readonly workspaces: Pick<Workspaces, 'open' | 'openExisting'>
  readonly sandboxes: Pick<SandboxProviders, 'kinds' | 'of'>
  readonly credentials: Credentials
  readonly sync: SyncDeps
  readonly restorer: Pick<Restorer, 'restore'>
  readonly log: Log
  workers(): Promise<Workers>
  /** Absent where nobody counts: then there is no `/metrics`. */
  readonly metrics?: { readonly middleware: MiddlewareHandler; readonly contentType: string; text(): Promise<string> }
  readiness(): Promise<Readiness>
  /** Null while nothing is known yet. Never rejects. */
  sandboxState(): Promise<SandboxState | null>
  /** Throws `bad_request` that lists the known models. */
  checkModel(model: string): void
  readonly settings: {
    readonly allowedHosts: readonly string[]
    readonly isLoopback: boolean
    readonly projectRoots: readonly string[]
    /** Origins of git hosts that may be private. */
    readonly gitOrigins: readonly string[]
    /** Whose name commits and patches carry. */
    readonly gitAuthor: { readonly name: string; readonly email: string }
    readonly sandboxProvider: SandboxKind
    readonly model: { readonly kind: 'anthropic' | 'scripted'; readonly name: string }
    readonly defaultBudget: Budget
    readonly defaultCriteria: Criteria
    readonly defaultNetwork: NetworkPolicy
    /** Services that run at a time on this host, of all projects. */
    readonly maxServices: number
    /** Below it each preview has a host name of its own, for whoever asks us by another name than loopback's. */
    readonly previewDomain?: string | undefined
    /** What this host's package managers use, as it is known now. */
    registries(): readonly { readonly tool: string; readonly hosts: readonly string[] }[]
    readonly temporalWebUrl?: string | undefined
    readonly temporalNamespace?: string | undefined
  }
}
