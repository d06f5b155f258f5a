/** What a run of a set-up is told: who asks, what was planned, and how long it may take. */

import type { Attempt } from '../db/task/attempt.ts'
import type { SetupPlan } from '../environment/look-at-inputs.ts'
import type { EventScope } from '../events/topics.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { Environment } from '../shared/environment.ts'
import type { ActivityRun } from './run-activity.ts'

/** How long one command of a set-up may run, and all of them together. */
export interface SetupLimits {
  readonly commandMs: number
  readonly totalMs: number
}

/** What a task's set-up or one that nobody's task asked for needs. */
export interface SetupAsk {
  readonly projectId: string
  readonly scope: EventScope
  readonly sandbox: Sandbox
  readonly run: ActivityRun
  /** The task's, when there is one. */
  readonly attempt: Attempt | null
  /** How long one command may run and all of them together, in milliseconds; default 10 and 15 minutes. */
  readonly limits?: SetupLimits
}

/** A kept installation, and the places that it takes. */
export interface KeptSource {
  /** Whose it is: the project's own, or one that it was forked from. */
  readonly projectId: string
  readonly key: string
  /** What lies in such places now, each byte of a name as one character. */
  readonly present: readonly string[]
}

/** A run as it is written down when it begins. */
export interface SetupRun extends Pick<SetupPlan, 'commands' | 'hash'> {
  /** Part of the ids of its commands. */
  readonly runId: string
  /** SHA-256 in hex of each lock file. */
  readonly locks: Readonly<Record<string, string>>
  /** The files as they were before it. */
  readonly tree: string
  /** What is tried in place of the commands first. */
  readonly kept?: KeptSource
  /** Nothing lay yet where it installs. */
  readonly isFresh?: boolean
}

/** A run that this attempt begins or goes on with. */
export interface PlannedSetup extends SetupAsk {
  readonly owner: string
  readonly environment: Environment
  readonly plan: SetupRun
  /** Another attempt began it. */
  readonly isResumed: boolean
}
