import type { Db } from '../db/client.ts'
import type { Publisher } from '../events/publisher.ts'
import type { ModelLimits } from '../model/limits.ts'
import type { ModelProfile } from '../model/profiles.ts'
import type { Model } from '../model/types.ts'
import type { PublishSteps } from '../publish/publish-steps.ts'
import type { Restorer } from '../restore/restorer.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import type { BudgetsByScope } from '../shared/budget.ts'
import type { NetworkPolicy } from '../shared/network.ts'

/** What a worker's activities share; built once in worker/main.ts. */
export interface ActivityDeps {
  readonly db: Db
  readonly publisher: Publisher
  readonly model: Model
  profileOf(model: string): ModelProfile
  /** Notes what a model's server said it takes at most; `profileOf` knows it from then on. */
  learnLimits(model: string, limits: ModelLimits): void
  /** Writes to the log that a request which the server refused is made again, and without what. Absent: nobody logs. */
  logRepair?(fields: Readonly<Record<string, unknown>>): void
  /** Settles when the model's server was asked for its limits, as far as it needs to be. Never rejects. */
  limitsReady(): Promise<void>
  readonly workspaces: Workspaces
  /** Brings files to what a comparison chose. */
  readonly restorer: Pick<Restorer, 'restore'>
  /** Events of one run after which a task's workflow goes on in a new one. */
  readonly continueAsNewAfterEvents: number
  /** How a task's change gets out. */
  readonly publishing: PublishSteps
  /** The network policy of projects whose environment nobody has saved. */
  readonly defaultNetwork: NetworkPolicy
  /** Settles when this host's tools have been asked for their registries, or after a while without an answer. Never rejects. */
  registriesReady(): Promise<void>
  /** Limits of projects and their days that name none of their own. */
  readonly budgets: Pick<BudgetsByScope, 'project' | 'day'>
  /** How long a slice lasts before it ends at the next turn boundary, given how many tasks this worker runs. */
  sliceMs(runningTasks: number): number
  /**
   * When a workflow run was first asked to end by Temporal itself (a command, its Web UI); null when it was not. Throws
   * when Temporal is away.
   */
  cancelTime(run: { readonly workflowId: string; readonly runId: string }): Promise<Date | null>
  /** Has the outbox swept at once, since the task that ended may let the next one start. Must not throw. */
  sweepOutbox(): void
}
