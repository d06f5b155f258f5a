import { checkpointContract } from './checkpoints.ts'
import { commandContract } from './commands.ts'
import { fileContract } from './files.ts'
import type { ProviderUnderTest } from './harness.ts'
import { lifecycleContract } from './lifecycle.ts'

/** The promises of `Sandbox` and `SandboxProvider`, to be kept by every provider. */
export function sandboxContract(underTest: () => ProviderUnderTest): void {
  lifecycleContract(underTest)
  commandContract(underTest)
  fileContract(underTest)
  checkpointContract(underTest)
}
