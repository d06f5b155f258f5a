/**
 * One E2B VM per project and generation. Which one it is says the ledger: connect to what it names, else adopt by metadata,
 * else create and compare-and-set; who loses kills its own. Nothing here replaces a VM: a lost one is `sandbox_gone`.
 */

import { AppError } from '../../shared/errors.ts'
import type { Network } from '../../shared/network.ts'
import { sandboxId } from '../local-bwrap/layout.ts'
import type { SandboxLogger } from '../local-bwrap/provider.ts'
import type { EnsureSpec, SandboxProvider, SandboxRef, SandboxSummary } from '../types.ts'
import { createE2bApi, type E2bSettings, type VmInfo } from './api.ts'
import { goneError } from './failures.ts'
import { bringCheckpoints } from './keep-checkpoint.ts'
import type { CheckpointStore, SandboxLedger } from './ledger.ts'
import { networkRules } from './network-rules.ts'
import { numbersAfter } from './replies.ts'
import { createE2bSandbox } from './sandbox.ts'
import { linkVm, PAYLOAD, type VmLink } from './vm.ts'

/** What the provider needs besides E2B's settings. */
export interface E2bProviderOptions extends E2bSettings {
  readonly ledger: SandboxLedger
  readonly store: CheckpointStore
  readonly logger: SandboxLogger
  /** Host names of the registries as they are known now; none: commands reach none. */
  readonly registryHosts?: () => readonly string[]
  /** See `SandboxProviderOptions.registriesReady`. */
  readonly registriesReady?: (signal?: AbortSignal) => Promise<void>
}

/** A link is used this long before the control plane is asked again whether its VM is there. */
const LINK_MS = 60_000
const TASK = /^[A-Za-z0-9_.-]{1,128}$/
const VM_ID = /^[A-Za-z0-9_-]{1,64}$/

/** The provider that keeps each project in a VM of its own at E2B. Any number of processes may use it side by side. */
export function createE2bProvider(options: E2bProviderOptions): SandboxProvider {
  const { ledger, store, logger } = options
  const api = createE2bApi(options)
  const links = new Map<string, { readonly link: VmLink; readonly at: number }>()
  /** The rules that were last set, so that a task does not set them again at each turn. */
  const networks = new Map<string, string>()

  const metadataOf = async (projectId: string, generation: number) => ({
    deployment: await ledger.deployment(),
    projectId,
    generation: String(generation),
  })

  const adopt = (vmId: string, link: VmLink): VmLink => {
    links.set(vmId, { link, at: Date.now() })
    return link
  }

  const linkTo = async (vmId: string): Promise<VmLink> => {
    const known = links.get(vmId)
    if (known && Date.now() - known.at < LINK_MS) return known.link
    links.delete(vmId)
    return adopt(
      vmId,
      linkVm(api, await api.connect(vmId), () => links.delete(vmId)),
    )
  }

  const create = async ({ projectId, generation }: EnsureSpec): Promise<SandboxRef> => {
    const vm = await api.create(await metadataOf(projectId, generation))
    const link = adopt(
      vm.sandboxId,
      linkVm(api, vm, () => links.delete(vm.sandboxId)),
    )
    try {
      await link.prepare()
      await bringCheckpoints(link, store, projectId)
    } catch (error) {
      // Otherwise it would cost money until the janitor comes.
      await forget(vm.sandboxId).catch((second: unknown) => logger.warn({ err: second }, 'an unused VM was not ended'))
      throw error
    }
    return refOf(projectId, generation, vm.sandboxId)
  }

  const forget = async (vmId: string): Promise<void> => {
    links.delete(vmId)
    networks.delete(vmId)
    await api.kill(vmId)
  }

  /** Records the first; every other VM of this project and generation is nobody's and ends. */
  const settle = async (found: SandboxRef, others: readonly VmInfo[]): Promise<SandboxRef> => {
    const winner = await ledger.claim(found)
    const strangers = [found.id, ...others.map((each) => refOf(found.projectId, found.generation, each.vmId).id)]
    for (const id of new Set(strangers)) {
      if (id !== winner?.id) await forget(vmIdOf({ ...found, id }))
    }
    if (winner === null) throw new AppError('sandbox_busy', 'The project’s sandbox was replaced meanwhile.')
    return winner
  }

  const find = async (spec: EnsureSpec): Promise<SandboxRef> => {
    const { projectId, generation } = spec
    const recorded = await ledger.current(projectId, generation)
    if (recorded !== null) {
      await linkTo(vmIdOf(recorded))
      return recorded
    }
    const left: VmInfo[] = []
    for await (const info of api.list(await metadataOf(projectId, generation))) left.push(info)
    left.sort((a, b) => a.startedAt - b.startedAt)
    const [oldest, ...others] = left
    if (oldest === undefined) return await settle(await create(spec), [])
    // Made by a process that died before it could say so: perhaps before it was prepared.
    const link = await linkTo(oldest.vmId)
    await link.prepare()
    await bringCheckpoints(link, store, projectId)
    return await settle(refOf(projectId, generation, oldest.vmId), others)
  }

  return {
    kind: 'e2b',
    async probe() {
      // A wrong key or an E2B that is down must fail the task with a sentence, not keep the worker from starting.
      const detail = 'E2B runs each project in a VM of its own; key and template are tried when the first one is made'
      const isolation = { userNamespace: true, network: true, seccomp: true, pidLimit: false, memoryLimit: true }
      const by = 'a virtual machine of its own'
      const protections = [{ name: 'virtual-machine', holds: true, by, detail: 'as E2B says; nothing here can ask it' }]
      return { ok: true, kind: 'e2b', detail, isolation, protections }
    },
    async ensure(spec) {
      sandboxId(spec.projectId, spec.generation)
      const { existing } = spec
      if (existing?.kind === 'e2b' && existing.generation === spec.generation) {
        await linkTo(vmIdOf(existing))
        return existing
      }
      const ref = await find(spec)
      const lost = spec.lostExecs ?? []
      if (lost.length > 0) {
        const link = await linkTo(vmIdOf(ref))
        await link.call(
          'forfeit',
          lost.flatMap(({ execId, taskId }) => [execId, taskId]),
        )
      }
      return ref
    },
    async open(ref) {
      const vmId = vmIdOf(ref)
      const setNetwork = async (network: Network) => {
        const rules = networkRules(network, options.registryHosts?.() ?? [])
        const text = JSON.stringify(rules)
        if (networks.get(vmId) === text) return
        await api.setNetwork(vmId, rules)
        networks.set(vmId, text)
      }
      const registriesReady = options.registriesReady ?? (async () => undefined)
      return createE2bSandbox({ ref, link: await linkTo(vmId), store, logger, setNetwork, registriesReady })
    },
    async *list() {
      for await (const info of api.list({ deployment: await ledger.deployment() })) {
        const summary = summaryOf(info)
        if (summary !== null) yield summary
      }
    },
    destroy: (ref) => forget(vmIdOf(ref)),
    async prune(olderThanMs, unfinished) {
      let removed = 0
      // Only VMs in use here: waking a paused one would cost more than its old logs.
      for (const [vmId, { link, at }] of links) {
        if (Date.now() - at > LINK_MS) {
          links.delete(vmId)
          continue
        }
        const tasks = (await link.call('oldtasks', [olderThanMs])).split('\n').filter((name) => TASK.test(name))
        if (tasks.length === 0) continue
        const kept = await unfinished(tasks)
        const payload = Buffer.from(tasks.filter((task) => !kept.has(task)).join('\n'))
        const reply = await link.call('prune', [olderThanMs, PAYLOAD], { payload })
        const [count = 0] = numbersAfter('count', reply.trim())
        removed += count
      }
      return removed
    },
    async close() {
      links.clear()
    },
  }
}

function refOf(projectId: string, generation: number, vmId: string): SandboxRef {
  return { kind: 'e2b', projectId, generation, id: `${sandboxId(projectId, generation)}/${vmId}` }
}

/** The VM's id out of a ref, which must belong to its project. Throws `sandbox_bad_request`. */
function vmIdOf(ref: SandboxRef): string {
  const prefix = `${sandboxId(ref.projectId, ref.generation)}/`
  const vmId = ref.id.startsWith(prefix) ? ref.id.slice(prefix.length) : ''
  if (ref.kind === 'e2b' && VM_ID.test(vmId)) return vmId
  throw new AppError('sandbox_bad_request', 'the sandbox id does not belong to its project')
}

function summaryOf(info: VmInfo): SandboxSummary | null {
  const projectId = info.metadata['projectId'] ?? ''
  const generation = Number(info.metadata['generation'])
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(projectId) || !Number.isSafeInteger(generation) || generation < 0) return null
  if (!VM_ID.test(info.vmId)) throw goneError()
  const { startedAt: createdAt, state, cpus, memoryMb, endAt } = info
  return { ref: refOf(projectId, generation, info.vmId), createdAt, state, cpus, memoryMb, endAt }
}
