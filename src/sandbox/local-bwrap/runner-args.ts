import type { SandboxKind } from '../types.ts'
import type { LimitKeeper } from './cgroup.ts'
import type { CommandUser } from './command-user.ts'
import type { HostView } from './host-view.ts'
import type { Limits } from './limits.ts'

/** What a runner starts commands with. All but `dir` is part of its identity (`runnerIdentity`). */
export interface RunnerOptions {
  /** Base directory of all sandboxes of this runner. */
  readonly dir: string
  readonly limits: Limits
  /** Only `unsafe-host` runs commands on the host itself. */
  readonly kind: Extract<SandboxKind, 'local-bwrap' | 'unsafe-host'>
  /** Absolute path of bwrap; null when there is none, which no command of `local-bwrap` can do without. */
  readonly bwrapPath: string | null
  readonly nodePath: string
  /** Who keeps memory and processes within their limits; default the best that this host has. */
  readonly keeper?: LimitKeeper
  /** What of this host commands see, with sources as the runner finds them. */
  readonly host: HostView
  /** Directory of the egress gateway, as the runner finds it. */
  readonly gatewayDir: string
}

/**
 * What the runner's process takes, as one JSON argument. `idleMs`: it ends after so long without commands and workers.
 */
export interface RunnerArgs extends RunnerOptions {
  readonly idleMs: number
  /** Whom the runner becomes before it does anything; null: it is started by an ordinary user, or without a sandbox. */
  readonly user: CommandUser | null
  /** Where it listens, short enough for a socket's address. */
  readonly socketPath: string
}
