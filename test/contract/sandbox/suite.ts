import { checkpointContract } from './checkpoints.ts'
import { commandContract } from './commands.ts'
import { fenceContract } from './fences.ts'
import { fileContract } from './files.ts'
import type { ProviderUnderTest } from './harness.ts'
import { leftOutContract } from './left-out.ts'
import { lifecycleContract } from './lifecycle.ts'
import { wholeTreesContract } from './whole-trees.ts'

/** The promises of `Sandbox` and `SandboxProvider`, to be kept by every provider. */
export function sandboxContract(underTest: () => ProviderUnderTest): void {
  lifecycleContract(underTest)
  commandContract(underTest)
  fileContract(underTest)
  checkpointContract(underTest)
  leftOutContract(underTest)
  fenceContract(underTest)
  if (underTest().caps?.keepsWholeTrees !== false) wholeTreesContract(underTest)
}
