import { existsSync } from 'node:fs'
import { AppError } from '../shared/errors.ts'
import { DEFAULT_LIMITS, type Limits } from './local-bwrap/limits.ts'
import { createLocalProvider, type SandboxLogger } from './local-bwrap/provider.ts'
import type { SandboxKind, SandboxProvider } from './types.ts'

export interface SandboxProviderOptions {
  /** `unsafe-host` only because a person asked for it by name; nothing falls back to it. */
  readonly kind: SandboxKind
  /** Directory of the local kinds, e.g. `.keelson/sandboxes`. */
  readonly dir: string
  readonly logger: SandboxLogger
  /** What differs from the default limits. */
  readonly limits?: Partial<Limits>
  /** The Node that commands find as `node`; default the running one. */
  readonly nodePath?: string
  /** The runner ends after this long without commands and workers; default 2 minutes. */
  readonly runnerIdleMs?: number
}

const BWRAP_PATHS = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap']
const RUNNER_IDLE_MS = 120_000

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
        runnerIdleMs: options.runnerIdleMs ?? RUNNER_IDLE_MS,
      })
    case 'e2b':
      throw new AppError('sandbox_unavailable', 'this build has no e2b provider; use local-bwrap')
  }
}
