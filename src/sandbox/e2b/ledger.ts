import type { SandboxRef } from '../types.ts'

/** What the E2B provider keeps outside E2B about VMs and their owner; Postgres in production. */
export interface SandboxLedger {
  /** This installation's name in E2B's metadata: VMs of another one under the same key are never touched. */
  deployment(): Promise<string>
  /** The VM that the project's generation has, null when it has none yet. */
  current(projectId: string, generation: number): Promise<SandboxRef | null>
  /**
   * Compare-and-set: records the ref unless another one was recorded; returns the one that counts from now on, null when
   * the project was deleted or has moved on to another generation.
   */
  claim(ref: SandboxRef): Promise<SandboxRef | null>
}

/** Objects of checkpoints, as git packs them. `trees` are those that the pack makes whole, the newest last. */
export interface CheckpointPack {
  readonly trees: readonly string[]
  readonly data: Uint8Array
}

/** Checkpoints outside the VM: what a new VM is made from when one is lost. At most `maxBytes` a project. */
export interface CheckpointStore {
  /** Trees that the stored packs hold whole, the newest last; empty when there are none. */
  trees(projectId: string): Promise<string[]>
  packs(projectId: string): Promise<Uint8Array[]>
  /** Notes that the workspace was seen to be exactly this tree, the newest stored one. */
  confirm(projectId: string, tree: string): Promise<void>
  /** Adds what `base` (the newest stored tree) has not. `moved`: the newest is another one; `full`: over the cap. */
  append(projectId: string, base: string, pack: CheckpointPack): Promise<'stored' | 'moved' | 'full'>
  /** Replaces everything stored. `full`: over the cap, and nothing changed. */
  replace(projectId: string, pack: CheckpointPack): Promise<'stored' | 'full'>
}
