import type { ClientConnectConfig } from '@temporalio/envconfig'
import type { NetworkPolicy } from '../shared/network.ts'
import type { Budget } from '../shared/task.ts'

/** All that the programs are told from outside, in groups; frozen. Each process takes the groups that it needs. */
export interface Config {
  /** Absolute directory in which the programs keep what they must find again. */
  readonly home: string
  readonly log: { readonly level: string }
  readonly server: {
    readonly host: string
    readonly port: number
    /** Absent only on loopback. */
    readonly apiToken?: string
    readonly setupToken?: string
    /** Host names besides loopback that requests may name. */
    readonly allowedHosts: readonly string[]
    /** Addresses and subnets of proxies whose X-Forwarded headers count. */
    readonly trustedProxies: readonly string[]
    readonly projectRoots: readonly string[]
    readonly temporalWebUrl?: string
    /** Below it each preview has a host name of its own. */
    readonly previewDomain?: string
    readonly maxStreams: number
  }
  readonly git: {
    /** Origins of git hosts that may be private, such as `https://git.example.com:8443`. */
    readonly origins: readonly string[]
    /** A file in PEM with more certificate authorities than the host's own. */
    readonly extraCaFile?: string
    /** Whose names published commits and patches carry. */
    readonly author: { readonly name: string; readonly email: string }
    readonly committer: { readonly name: string; readonly email: string }
  }
  /** Services whose kind or API's address their host does not tell. */
  readonly forges: readonly {
    readonly host: string
    readonly kind: 'github' | 'gitlab' | 'gitea'
    readonly baseUrl: string
  }[]
  readonly credentials: {
    /** Seals stored credentials; absent: a key in the home does. */
    readonly key?: string
  }
  readonly temporal: ClientConnectConfig & { readonly address: string; readonly namespace: string }
  readonly database: { readonly url: string; readonly poolSize: number }
  readonly redis: { readonly url: string }
  readonly model: {
    readonly kind: 'anthropic' | 'scripted'
    readonly name: string
    readonly apiKey?: string
    readonly baseUrl?: string
    /** Another server that speaks the protocol stands at `baseUrl`: any model name may mean something there. */
    readonly isCompat: boolean
    /** What the model takes and gives at most, in tokens, when a person says so. */
    readonly limits: { readonly contextTokens?: number; readonly maxOutputTokens?: number }
    /** Longest wait for the first event of a reply from a server of one's own; absent for Anthropic's. */
    readonly firstEventTimeoutMs?: number
    /** Longest silence of such a server within a reply, in milliseconds; absent for Anthropic's. */
    readonly stallTimeoutMs?: number
  }
  readonly sandbox: {
    readonly provider: 'local-bwrap' | 'e2b' | 'unsafe-host'
    readonly sweepSeconds: number
    /** A service that nobody looks at for this long is ended. */
    readonly serviceIdleMinutes: number
    /** Whom root runs commands as. */
    readonly user?: string
    /** Commands that run at a time on this host, of all projects; left out: as many as its processors and memory serve. */
    readonly maxCommands?: number
    /** What the kept installations of a project may come to on disk; 0: none are kept. */
    readonly keptBytes: number
    readonly e2bApiKey?: string
    /** Where E2B is, when it is not at e2b.app. */
    readonly e2bDomain?: string
    readonly e2bApiUrl?: string
    readonly e2bSandboxUrl?: string
    readonly e2bTemplate?: string
  }
  readonly network: {
    /** Of projects whose environment nobody has saved. */
    readonly policy: NetworkPolicy
    /** URLs or hosts of registries besides those of this host's tools; `=` in front of the first: instead of those. */
    readonly registries: readonly string[]
    /** Directories with toolchains that commands see, besides those below /usr. */
    readonly toolchains: readonly string[]
    /** What this host's package managers are started with, to be asked for their registries. */
    readonly toolEnv: Readonly<Record<string, string>>
    /** Files with certificates that are trusted on the way out of sandboxes. */
    readonly trustedFiles: readonly string[]
  }
  readonly agent: {
    readonly turnSliceMs: number
    readonly maxTasks: number
    readonly continueAsNewAfterEvents: number
    readonly workflowBundle?: string
  }
  readonly budgets: {
    readonly maxUsd: number
    readonly maxTurns: number
    readonly maxMinutes: number
    readonly waitHours: number
    /** Of each project in all, and on each UTC day; a project may set its own. */
    readonly project: Budget
    readonly day: Budget
  }
  /** Where a worker shows its own figures and Temporal's SDK's, on loopback; absent: nowhere. */
  readonly metrics: { readonly workerPort?: number; readonly temporalPort?: number }
  /** For tests: the named instant at which the process kills itself, see shared/crash-points.ts. */
  readonly crashPoint?: string
  readonly retention: { readonly eventDays: number; readonly execHours: number }
  /** The same groups with every secret replaced, for logs. */
  toJSON(): Record<string, unknown>
}
