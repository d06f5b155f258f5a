import { existsSync } from 'node:fs'
import type { RegistryTokens } from '../egress/gateway-client.ts'
import { type HostProxies, NO_PROXIES } from '../egress/host-proxy.ts'
import { AppError } from '../shared/errors.ts'
import type { E2bSettings } from './e2b/api.ts'
import type { CheckpointStore, SandboxLedger } from './e2b/ledger.ts'
import { createE2bProvider } from './e2b/provider.ts'
import type { LimitKeeper } from './local-bwrap/cgroup.ts'
import { DEFAULT_LIMITS, type Limits } from './local-bwrap/limits.ts'
import { createLocalProvider, type SandboxLogger } from './local-bwrap/provider.ts'
import { joinProviders, type SandboxProviders } from './providers.ts'
import type { SandboxKind, SandboxProvider } from './types.ts'

/** What any provider may be made from; each kind takes what it needs of it. */
export interface SandboxProviderOptions {
  /** `unsafe-host` only because a person asked for it by name; nothing falls back to it. */
  readonly kind: SandboxKind
  /** Directory of the local kinds, e.g. `.keelson/sandboxes`. */
  readonly dir: string
  readonly logger: SandboxLogger
  /** What differs from the default limits. */
  readonly limits?: Partial<Limits>
  /** Who keeps memory and processes of commands within their limits; default the best that this host has. */
  readonly keeper?: LimitKeeper
  /** The Node that commands find as `node`; default the running one. */
  readonly nodePath?: string
  /** All data of this installation, e.g. `.keelson`, and directories with other projects: no command may see them. */
  readonly privateDirs?: readonly string[]
  readonly projectRoots?: readonly string[]
  /** Whom root runs commands as: a name or number; left out: a number of the directory's own. */
  readonly sandboxUser?: string | undefined
  /** The runner ends after this long without commands and workers; default 2 minutes. */
  readonly runnerIdleMs?: number
  /** Files with certificates, in PEM, that are trusted on the way out besides the public ones. */
  readonly trustedFiles?: readonly string[]
  /** The proxies that this host itself must use to get out; default none. */
  readonly hostProxies?: HostProxies
  /** What a project's kept installations may come to on disk, in bytes; 0 keeps none; default 1 GiB. */
  readonly keptBytes?: number
  /** Directories of toolchains outside /usr that commands see, on their PATH. */
  readonly toolchains?: readonly string[]
  /** Stored tokens that are added for package registries outside of sandboxes. */
  readonly registryTokens?: RegistryTokens | undefined
  /** Host names of the package registries that this host's tools use, as they are known now. */
  readonly registryHosts?: () => readonly string[]
  /** Settles when these are known as far as they will be for now; rejects with the signal's reason alone. Left out: they are. */
  readonly registriesReady?: (signal?: AbortSignal) => Promise<void>
  /** Key and addresses of E2B, and where its sandboxes are recorded; without it there is no `e2b`. */
  readonly e2b?: E2bSettings & { readonly ledger: SandboxLedger & CheckpointStore }
}

const BWRAP_PATHS = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap']
const RUNNER_IDLE_MS = 120_000
const KEPT_BYTES = 1024 ** 3
const KNOWN = async (): Promise<void> => undefined

/** Makes the provider of a kind. Starts nothing; `probe` says whether it works here. Throws `sandbox_unavailable`. */
export function createSandboxProvider(options: SandboxProviderOptions): SandboxProvider {
  const { kind, dir, logger } = options
  switch (kind) {
    case 'local-bwrap':
    case 'unsafe-host':
      return createLocalProvider({
        kind,
        dir,
        logger,
        limits: { ...DEFAULT_LIMITS, ...options.limits },
        nodePath: options.nodePath ?? process.execPath,
        bwrapPath: BWRAP_PATHS.find((each) => existsSync(each)) ?? null,
        ...(options.keeper && { keeper: options.keeper }),
        runnerIdleMs: options.runnerIdleMs ?? RUNNER_IDLE_MS,
        keptBytes: options.keptBytes ?? KEPT_BYTES,
        trustedFiles: options.trustedFiles ?? [],
        registryTokens: options.registryTokens,
        hostProxies: options.hostProxies ?? NO_PROXIES,
        registriesReady: options.registriesReady ?? KNOWN,
        toolchains: options.toolchains ?? [],
        sandboxUser: options.sandboxUser,
        privateDirs: options.privateDirs ?? [],
        projectRoots: options.projectRoots ?? [],
      })
    case 'e2b': {
      if (!options.e2b) throw new AppError('sandbox_unavailable', 'E2B needs E2B_API_KEY')
      return createE2bProvider({
        ...options.e2b,
        store: options.e2b.ledger,
        logger,
        registryHosts: options.registryHosts ?? (() => []),
        registriesReady: options.registriesReady ?? KNOWN,
      })
    }
  }
}

/**
 * Every provider that is set up: the chosen one first, E2B where there is a key, bubblewrap where it is installed (but not
 * beside `unsafe-host`, which is one person's choice for everything). Throws `sandbox_unavailable`.
 */
export function createSandboxProviders(options: SandboxProviderOptions): SandboxProviders {
  const hasBwrap = process.platform === 'linux' && BWRAP_PATHS.some((each) => existsSync(each))
  const others: SandboxKind[] = [
    ...(options.e2b ? (['e2b'] as const) : []),
    ...(hasBwrap && options.kind !== 'unsafe-host' ? (['local-bwrap'] as const) : []),
  ]
  const extra = others.filter((kind) => kind !== options.kind)
  return joinProviders(
    createSandboxProvider(options),
    extra.map((kind) => createSandboxProvider({ ...options, kind })),
  )
}

/** Where a repository can be cloned for a sandbox that is elsewhere: a local kind that is set up, or null. */
export function stagingOf(providers: SandboxProviders): SandboxProvider | null {
  const kind = (['local-bwrap', 'unsafe-host'] as const).find((each) => providers.kinds.includes(each))
  return kind === undefined ? null : providers.of(kind)
}

/** E2B's part of the options from what the configuration says; nothing without a key. */
export function e2bOptions(
  config: {
    readonly e2bApiKey?: string
    readonly e2bDomain?: string
    readonly e2bApiUrl?: string
    readonly e2bSandboxUrl?: string
    readonly e2bTemplate?: string
  },
  ledger: SandboxLedger & CheckpointStore,
): Pick<SandboxProviderOptions, 'e2b'> {
  if (config.e2bApiKey === undefined) return {}
  return {
    e2b: {
      apiKey: config.e2bApiKey,
      domain: config.e2bDomain,
      apiUrl: config.e2bApiUrl,
      sandboxUrl: config.e2bSandboxUrl,
      template: config.e2bTemplate,
      ledger,
    },
  }
}
