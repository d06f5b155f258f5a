import type { SandboxRef } from '../../types.ts'
import type { CheckpointPack, CheckpointStore, SandboxLedger } from '../ledger.ts'

/** Ledger and checkpoints in memory, for tests of the provider alone. The same rules as in Postgres. */
export function createMemoryLedger(maxBytes = 64 * 1024 * 1024): SandboxLedger & CheckpointStore {
  const refs = new Map<string, SandboxRef>()
  const stored = new Map<string, CheckpointPack[]>()
  const keyOf = (projectId: string, generation: number) => `${projectId}/${generation}`
  const packsOf = (projectId: string) => stored.get(projectId) ?? []
  const bytes = (packs: readonly CheckpointPack[]) => packs.reduce((sum, pack) => sum + pack.data.length, 0)
  const treesOf = (projectId: string) => packsOf(projectId).flatMap((pack) => pack.trees)
  return {
    deployment: async () => 'test',
    current: async (projectId, generation) => refs.get(keyOf(projectId, generation)) ?? null,
    async claim(ref) {
      const key = keyOf(ref.projectId, ref.generation)
      const winner = refs.get(key) ?? ref
      refs.set(key, winner)
      return winner
    },
    trees: async (projectId) => treesOf(projectId),
    packs: async (projectId) => packsOf(projectId).map((pack) => pack.data),
    confirm: async () => undefined,
    async append(projectId, base, pack) {
      if (treesOf(projectId).at(-1) !== base) return 'moved'
      const packs = [...packsOf(projectId), pack]
      if (bytes(packs) > maxBytes) return 'full'
      stored.set(projectId, packs)
      return 'stored'
    },
    async replace(projectId, pack) {
      if (pack.data.length > maxBytes) return 'full'
      stored.set(projectId, [pack])
      return 'stored'
    },
  }
}
