import { setTimeout as sleep } from 'node:timers/promises'
import { gatewayPaths, makeGatewayDir } from '../gateway-files.ts'
import { discoverRegistries, type KnownRegistries, readRegistries } from './discover.ts'

export interface RegistryKeeper {
  /** Settles when the tools have been asked, or after a minute; never rejects. */
  ready(): Promise<void>
  known(): KnownRegistries
}

export interface RegistryKeeperOptions {
  readonly sandboxesDir: string
  /** The variables that the tools run with. */
  readonly env: Readonly<Record<string, string>>
  readonly named: readonly string[]
  /** Told when the tools could not be asked. */
  onFailure(error: unknown): void
}

const WAIT_MS = 60_000
/** Starting is not slowed by tools that take seconds to start themselves. */
const BEGIN_AFTER_MS = 1_000

/** Asks this host's tools for their registries in the background, once a start. The answers last for a day. */
export function keepRegistries({ sandboxesDir, env, named, onFailure }: RegistryKeeperOptions): RegistryKeeper {
  const { dir, registries: file } = gatewayPaths(sandboxesDir)
  const begin = async () => {
    await sleep(BEGIN_AFTER_MS, undefined, { ref: false })
    makeGatewayDir(dir)
    await discoverRegistries({ file, env, named })
  }
  const asked = begin().catch(onFailure)
  return {
    async ready() {
      const timer = new AbortController()
      const late = sleep(WAIT_MS, undefined, { signal: timer.signal, ref: false }).catch(() => undefined) // in time
      await Promise.race([asked, late])
      timer.abort()
    },
    known: () => readRegistries(file),
  }
}
