import type { SandboxLogger } from '../local-bwrap/provider.ts'
import type { CheckpointStore } from './ledger.ts'
import { bytesOf, hashAfter, nonsense } from './replies.ts'
import { PAYLOAD, type VmLink } from './vm.ts'

/** Checkpoints that are packed together when the stored packs reach their cap; older ones are then in the VM alone. */
const KEPT_TREES = 20
const MAX_TRIES = 4

/**
 * Takes a checkpoint in the VM and stores what of it is new outside the VM; returns its tree. When it does not fit, the
 * newest trees are packed anew, then this one alone, and when even that is over the cap it is in the VM alone and a warning
 * says so. Safe to repeat, and to run in several processes: the store takes a pack only on top of its newest.
 */
export async function takeKeptCheckpoint(
  link: VmLink,
  store: CheckpointStore,
  projectId: string,
  logger: SandboxLogger,
): Promise<string> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const trees = await store.trees(projectId)
    const base = trees.at(-1) ?? '-'
    const reply = (await link.call('checkpoint', [base])).split('\n')
    const tree = hashAfter('tree', reply[0])
    if (tree === base) {
      await store.confirm(projectId, tree)
      return tree
    }
    const data = await packOf(link, reply.slice(2))
    const isWhole = reply[1] === 'base -'
    const pack = { trees: [tree], data }
    const outcome = isWhole ? await store.replace(projectId, pack) : await store.append(projectId, base, pack)
    if (outcome === 'stored') return tree
    if (outcome === 'moved') continue
    if (!isWhole && (await packAnew(link, store, projectId, [...trees.slice(1 - KEPT_TREES), tree]))) return tree
    if (!isWhole && (await packAnew(link, store, projectId, [tree]))) return tree
    logger.warn({ projectId, sizeBytes: data.length }, 'a checkpoint is too large to be stored outside its VM')
    return tree
  }
  logger.warn({ projectId }, 'a checkpoint was not stored outside its VM: another process stores them as well')
  return hashAfter('tree', (await link.call('checkpoint', ['-'])).split('\n')[0])
}

async function packAnew(
  link: VmLink,
  store: CheckpointStore,
  projectId: string,
  trees: readonly string[],
): Promise<boolean> {
  const reply = (await link.call('pack', trees)).split('\n')
  const [word, ...packed] = (reply[0] ?? '').split(' ')
  if (word !== 'trees') throw nonsense()
  const pack = { trees: packed.filter((tree) => trees.includes(tree)), data: await packOf(link, reply.slice(1)) }
  return (await store.replace(projectId, pack)) === 'stored'
}

/** `pack SIZE FILE`, then the pack in base64 when it is small; otherwise it is fetched. */
async function packOf(link: VmLink, lines: readonly string[]): Promise<Uint8Array> {
  const [word, size, file] = (lines[0] ?? '').split(' ')
  if (word !== 'pack' || file === undefined) throw nonsense()
  const data = lines[1] ? bytesOf(lines[1]) : await link.download(file)
  if (data.length !== Number(size)) throw nonsense()
  return data
}

/** Puts all stored checkpoints of a project into a new VM. Safe to repeat. */
export async function bringCheckpoints(link: VmLink, store: CheckpointStore, projectId: string): Promise<void> {
  for (const pack of await store.packs(projectId)) await link.call('import', [PAYLOAD], { payload: pack })
}
