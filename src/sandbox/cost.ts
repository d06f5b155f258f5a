import type { SandboxKind } from './types.ts'

/** E2B's prices of August 2026 (e2b.dev/docs/billing): for what is allocated, while it runs; a paused VM costs nothing. */
const E2B_USD_PER_VCPU_SECOND = 0.000014
const E2B_USD_PER_GIB_SECOND = 0.0000045

/** What a sandbox costs at most, as far as its provider's prices are known. */
export interface CostEstimate {
  /** At most this, from prices and times alone; null when its size is not known. */
  readonly usd: number | null
  readonly usdPerHour: number | null
  readonly basis: string
}

/** What a sandbox has cost at most since it was made or resumed. Pure. */
export function estimateCost(
  kind: SandboxKind,
  use: { readonly runningMs: number; readonly cpus?: number | undefined; readonly memoryMb?: number | undefined },
): CostEstimate {
  if (kind !== 'e2b') return { usd: 0, usdPerHour: 0, basis: 'runs on this machine, nobody bills it' }
  const { cpus, memoryMb, runningMs } = use
  if (cpus === undefined || memoryMb === undefined) {
    return { usd: null, usdPerHour: null, basis: 'E2B did not say how large it is' }
  }
  const usdPerSecond = cpus * E2B_USD_PER_VCPU_SECOND + (memoryMb / 1024) * E2B_USD_PER_GIB_SECOND
  const basis = `${cpus} vCPU and ${memoryMb} MiB at E2B's list price since it was last started; earlier runs are not counted`
  return { usd: (runningMs / 1000) * usdPerSecond, usdPerHour: usdPerSecond * 3600, basis }
}
