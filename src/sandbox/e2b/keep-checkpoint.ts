import { AppError } from '../../shared/errors.ts'
import type { SandboxLogger } from '../local-bwrap/provider.ts'
import type { PackedTrees } from '../types.ts'
import type { CheckpointStore } from './ledger.ts'
import { fromBase64, hashAfter, nonsense, numbersAfter } from './replies.ts'
import { PAYLOAD, type VmLink } from './vm.ts'

/** Checkpoints that are packed together when the stored packs reach their cap; older ones are then in the VM alone. */
const KEPT_TREES = 20
const MAX_TRIES = 4
/** A larger pack is not fetched: no store takes it. */
const MAX_PACK_BYTES = 64 * 1024 * 1024

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
    const outcome = await keep(data, async (kept) => {
      const pack = { trees: [tree], data: kept }
      return isWhole ? await store.replace(projectId, pack) : await store.append(projectId, base, pack)
    })
    if (outcome === 'stored') return tree
    if (outcome === 'moved') continue
    if (!isWhole && (await packAnew(link, store, projectId, [...trees.slice(1 - KEPT_TREES), tree]))) return tree
    if (!isWhole && (await packAnew(link, store, projectId, [tree]))) return tree
    logger.warn({ projectId, sizeBytes: sizeOf(data) }, 'a checkpoint is too large to be stored outside its VM')
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
  const whole = packed.filter((tree) => trees.includes(tree))
  const data = await packOf(link, reply.slice(1))
  return (await keep(data, (kept) => store.replace(projectId, { trees: whole, data: kept }))) === 'stored'
}

/** A pack, or the size of one that is too large to be fetched. */
type Packed = Uint8Array | { readonly sizeBytes: number }

function sizeOf(packed: Packed): number {
  return packed instanceof Uint8Array ? packed.length : packed.sizeBytes
}

async function keep<T extends string>(packed: Packed, store: (data: Uint8Array) => Promise<T>): Promise<T | 'full'> {
  return packed instanceof Uint8Array ? await store(packed) : 'full'
}

/** `pack SIZE FILE`, then the pack in base64 when it is small; otherwise it is fetched. */
async function packOf(link: VmLink, lines: readonly string[]): Promise<Packed> {
  const [sizeBytes = Number.NaN] = numbersAfter('pack', lines[0]?.split(' ').slice(0, 2).join(' '))
  const file = lines[0]?.split(' ')[2]
  if (file === undefined || !Number.isSafeInteger(sizeBytes)) throw nonsense()
  if (sizeBytes > MAX_PACK_BYTES) return { sizeBytes }
  const data = lines[1] ? fromBase64(lines[1]) : await fetchWhole(link.download(file, sizeBytes))
  if (data.length !== sizeBytes) throw nonsense()
  return data
}

async function fetchWhole(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/** Puts all stored checkpoints of a project into a new VM. Safe to repeat. */
export async function bringCheckpoints(link: VmLink, store: CheckpointStore, projectId: string): Promise<void> {
  for (const pack of await store.packs(projectId)) await link.call('import', [PAYLOAD], { payload: pack })
}

/** The objects of a tree that `base` has not, for another VM. Throws `sandbox_bad_request` when they are over 64 MiB. */
export async function packTree(link: VmLink, tree: string, base: string): Promise<Uint8Array> {
  const packed = await packOf(link, (await link.call('give', [tree, base])).split('\n'))
  if (packed instanceof Uint8Array) return packed
  throw new AppError(
    'sandbox_bad_request',
    'this checkpoint is too large to be taken over: it differs by more than 64 MiB',
  )
}

/**
 * Brings a checkpoint of another VM into this one and into the store, behind which the newest stored tree stays what a lost
 * VM is filled with. What does not fit into the store is in the VM alone, with a warning. Safe to repeat.
 */
export async function takeTreeOver(
  {
    link,
    store,
    projectId,
    logger,
  }: { link: VmLink; store: CheckpointStore; projectId: string; logger: SandboxLogger },
  from: PackedTrees,
  tree: string,
  base: string,
): Promise<void> {
  let packed: { readonly base: string; readonly data: Uint8Array } | undefined
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const stored = await store.trees(projectId)
    const newest = stored.at(-1)
    const known = stored.includes(base) ? base : '-'
    // A pack that another process overtook in the store is still good, unless the store has lost what it builds on.
    if (packed?.base !== known) {
      packed = { base: known, data: await from.pack(tree, known) }
      await link.call('import', [PAYLOAD], { payload: packed.data })
    }
    if (newest === undefined || stored.includes(tree)) return
    const outcome = await store.append(projectId, newest, { trees: [tree, newest], data: packed.data })
    if (outcome === 'stored') return
    if (outcome === 'full') break
  }
  logger.warn({ projectId, tree }, 'a checkpoint that was taken over is not stored outside its VM')
}
