import type { Struck } from './faults.ts'
import type { ChaosStack } from './stack.ts'
import type { Ledger } from './user.ts'
import type { Viewer } from './viewer.ts'

/** Everything that a run leaves for the oracle, besides what the stores hold. */
export interface Evidence {
  readonly stack: ChaosStack
  readonly ledger: Ledger
  readonly projectIds: readonly string[]
  readonly viewers: readonly Viewer[]
  readonly struck: readonly Struck[]
}
