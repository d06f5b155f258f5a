/** What a project's commands run in, as API, page and database write it. Types only. */

import type { ApprovalPolicy } from './approval-policy.ts'
import type { Network } from './network.ts'

/** A command that sets a project up. */
export interface SetupCommand {
  readonly name: string
  readonly command: string
  /** Relative to the workspace; default its root. */
  readonly cwd?: string
}

/** A command of the set-up as people see it. */
export interface ShownSetupCommand extends SetupCommand {
  /** `detected`: from what the files say now. `custom`: from a person. */
  readonly source: 'detected' | 'custom'
}

/** A service that a project can start, such as its dev server; the port is found when none is named. */
export interface Service {
  readonly name: string
  readonly command: string
  readonly port?: number
}

/** An environment variable of a project's commands. Not for secrets: everybody who may see the project reads it. */
export interface Variable {
  readonly name: string
  readonly value: string
}

/** What a person saves. Commands of the same name take the place of detected ones. */
export interface EnvironmentBody {
  readonly network: Network
  readonly setup: { readonly enabled: boolean; readonly commands: readonly SetupCommand[] }
  readonly variables: readonly Variable[]
  readonly services: readonly Service[]
  /** What a person must decide; those saved by the version before have none. */
  readonly approvals?: ApprovalPolicy
}

/** A project's environment in the version that holds. */
export interface Environment extends EnvironmentBody {
  /** 0: nobody has saved one yet. */
  readonly version: number
}

/**
 * Where a project's set-up stands. `stale`: what it was made from has changed since. `none`: there is nothing to set up.
 */
export type SetupState = 'never' | 'running' | 'ready' | 'failed' | 'stale' | 'none'

/** How a project's set-up stands, for people. */
export interface SetupStatus {
  readonly state: SetupState
  /** ISO 8601; of the last run's end. */
  readonly at?: string
  readonly durationMs?: number
  readonly exitCode?: number
  /** The last run took what an earlier one had installed. */
  readonly fromCache?: boolean
  /** The end of what the last run printed. */
  readonly output?: string
}
