import type { Sandbox as Vm } from 'e2b'
import { AppError } from '../../shared/errors.ts'
import { toSandboxError } from './failures.ts'
import type { NetworkRules } from './network-rules.ts'

/** Where E2B's API is and the key that opens it. */
export interface E2bSettings {
  readonly apiKey: string
  readonly domain?: string | undefined
  /** Other addresses than E2B's own: a self-hosted one, or the fake. */
  readonly apiUrl?: string | undefined
  readonly sandboxUrl?: string | undefined
  readonly template?: string | undefined
  /** How long E2B is tried before `sandbox_unreachable` is final; default 3.5 minutes. */
  readonly giveUpAfterMs?: number
  /** Life asked for at each connect, in milliseconds; default 15 minutes. */
  readonly lifeMs?: number
}

/** What the provider asks of E2B's control plane. Every call maps its failures, see failures.ts. */
export interface E2bApi {
  create(metadata: Record<string, string>): Promise<Vm>
  /** Resumes a paused VM; extends its life. Throws `sandbox_gone`. */
  connect(vmId: string): Promise<Vm>
  extend(vmId: string): Promise<void>
  info(vmId: string): Promise<VmInfo>
  pause(vmId: string): Promise<void>
  /** Replaces what the VM may reach. Safe to repeat. */
  setNetwork(vmId: string, rules: NetworkRules): Promise<void>
  /** Safe to repeat. */
  kill(vmId: string): Promise<void>
  list(metadata: Record<string, string>): AsyncGenerator<VmInfo>
  /** Runs a call to a VM under the same rules; how long it cannot be reached is counted for each VM alone. */
  guard<T>(vmId: string, work: () => Promise<T>): Promise<T>
}

/** One VM as the API lists it; times in milliseconds since 1970. */
export interface VmInfo {
  readonly vmId: string
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: number
  readonly endAt: number
  readonly state: 'running' | 'paused'
  readonly cpus: number
  readonly memoryMb: number
}

/** The time that one request to the API may take. */
export const REQUEST_MS = 15_000
/** Making or resuming a VM takes longer than other requests. */
const CREATE_MS = 60_000
const DEFAULT_LIFE_MS = 15 * 60_000
const DEFAULT_GIVE_UP_MS = 210_000
const MAX_PAGES = 200
const API = 'api'

/** Binds the SDK to one key; the SDK itself is loaded at the first call. The key is in no error, log or result. */
export function createE2bApi(settings: E2bSettings): E2bApi {
  const lifeMs = settings.lifeMs ?? DEFAULT_LIFE_MS
  const giveUpAfterMs = settings.giveUpAfterMs ?? DEFAULT_GIVE_UP_MS
  /** When the control plane (`api`) or a VM was first found out of reach; forgotten as soon as it answers. */
  const unreachableSince = new Map<string, number>()
  let loaded: Promise<typeof Vm> | null = null

  const sdk = () => {
    loaded ??= import('e2b').then(({ E2B }) => {
      const { apiKey, domain, apiUrl, sandboxUrl } = settings
      const addresses = { ...(domain && { domain }), ...(apiUrl && { apiUrl }), ...(sandboxUrl && { sandboxUrl }) }
      // Temporal tries again, visibly; the SDK does not.
      return new E2B({ apiKey, ...addresses, requestTimeoutMs: REQUEST_MS, retries: 0 }).Sandbox
    })
    return loaded
  }

  const watched = async <T>(whom: string, work: () => Promise<T>): Promise<T> => {
    try {
      const result = await work()
      unreachableSince.delete(whom)
      return result
    } catch (error) {
      const mapped = toSandboxError(error)
      if (mapped.code === 'sandbox_unreachable') throw giveUpOr(whom, mapped)
      unreachableSince.delete(whom)
      throw mapped
    }
  }
  const guard = <T>(work: () => Promise<T>) => watched(API, work)

  /** Marks the failure as final once nothing has worked for long enough. */
  const giveUpOr = (whom: string, error: AppError): AppError => {
    const since = unreachableSince.get(whom) ?? Date.now()
    unreachableSince.set(whom, since)
    if (Date.now() - since < giveUpAfterMs) return error
    return new AppError('sandbox_unreachable', `${error.message} Nothing was replaced; send the message again later.`, {
      details: { final: true },
    })
  }

  return {
    guard: watched,
    create: (metadata) =>
      guard(async () => {
        const Sandbox = await sdk()
        return await Sandbox.create(settings.template ?? 'base', {
          metadata,
          timeoutMs: lifeMs,
          requestTimeoutMs: CREATE_MS,
          allowInternetAccess: false,
          lifecycle: { onTimeout: 'pause' },
        })
      }),
    connect: (vmId) =>
      guard(async () => (await sdk()).connect(vmId, { timeoutMs: lifeMs, requestTimeoutMs: CREATE_MS })),
    extend: (vmId) => guard(async () => (await sdk()).setTimeout(vmId, lifeMs)),
    info: (vmId) => guard(async () => toInfo(await (await sdk()).getInfo(vmId))),
    setNetwork: (vmId, rules) =>
      guard(async () => await (await sdk()).updateNetwork(vmId, { ...rules }, { requestTimeoutMs: REQUEST_MS })),
    pause: (vmId) => guard(async () => void (await (await sdk()).pause(vmId, { requestTimeoutMs: CREATE_MS }))),
    kill: (vmId) => guard(async () => void (await (await sdk()).kill(vmId))),
    async *list(metadata) {
      const pages = (await sdk()).list({ query: { metadata, state: ['running', 'paused'] } })
      for (let page = 0; page < MAX_PAGES && pages.hasNext; page++) {
        yield* (await guard(() => pages.nextItems())).map(toInfo)
      }
    },
  }
}

function toInfo(info: {
  sandboxId: string
  metadata: Record<string, string>
  startedAt: Date
  endAt: Date
  state: 'running' | 'paused'
  cpuCount: number
  memoryMB: number
}): VmInfo {
  return {
    vmId: info.sandboxId,
    metadata: info.metadata,
    startedAt: info.startedAt.getTime(),
    endAt: info.endAt.getTime(),
    state: info.state,
    cpus: info.cpuCount,
    memoryMb: info.memoryMB,
  }
}
