import { setTimeout as sleep } from 'node:timers/promises'
import { gatewayPaths, makeGatewayDir } from '../gateway-files.ts'
import { areFresh, discoverRegistries, FRESH_MS, type KnownRegistries, readRegistries } from './discover.ts'

/** The registries as they are known now, asked for anew in the background. */
export interface RegistryKeeper {
  /**
   * Settles when there are answers to go by, those of an earlier start too, or after a minute. Rejects only with the
   * signal's reason.
   */
  ready(signal?: AbortSignal): Promise<void>
  known(): KnownRegistries
}

/** Where the answers are kept, and with what the tools are asked. */
export interface RegistryKeeperOptions {
  readonly sandboxesDir: string
  /** The variables that the tools run with. */
  readonly env: Readonly<Record<string, string>>
  readonly named: readonly string[]
  /** Told when the tools could not be asked; they are asked again. */
  onFailure(error: unknown): void
}

const WAIT_MS = 60_000
/** Starting is not slowed by tools that take seconds to start themselves. */
const BEGIN_AFTER_MS = 1_000
/** Tools that could not be asked are asked again, at longer and longer intervals. */
const FIRST_RETRY_MS = 60_000
const LAST_RETRY_MS = 3_600_000

/**
 * Asks this host's tools for their registries in the background, soon after a start and again when the answers are a day old
 * or incomplete. Never keeps the process alive.
 */
export function keepRegistries({ sandboxesDir, env, named, onFailure }: RegistryKeeperOptions): RegistryKeeper {
  const { dir, registries: file } = gatewayPaths(sandboxesDir)
  const hurry = new AbortController()

  /** Whether all tools answered. */
  const ask = async (): Promise<boolean> => {
    try {
      makeGatewayDir(dir)
      return areFresh(await discoverRegistries({ file, env, named }), named, Date.now())
    } catch (error) {
      onFailure(error)
      return false
    }
  }
  const goOnAsking = async (): Promise<void> => {
    let isComplete = await first
    let retryMs = FIRST_RETRY_MS
    for (;;) {
      await sleep(isComplete ? FRESH_MS : retryMs, undefined, { ref: false })
      isComplete = await ask()
      retryMs = isComplete ? FIRST_RETRY_MS : Math.min(2 * retryMs, LAST_RETRY_MS)
    }
  }
  const first = sleep(BEGIN_AFTER_MS, undefined, { ref: false, signal: hurry.signal })
    .catch(() => undefined) // somebody waits for the answers
    .then(ask)
  goOnAsking().catch(onFailure)

  /** Answers of yesterday do until there are new ones; those to another question do not. */
  const isKnown = (): boolean => {
    const known = readRegistries(file)
    return known.at > 0 && known.named === JSON.stringify(named)
  }
  return {
    async ready(signal) {
      if (isKnown()) return
      hurry.abort()
      const timer = new AbortController()
      const late = sleep(WAIT_MS, undefined, {
        ref: false,
        signal: signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]),
      }).catch(() => undefined) // in time, or nobody wants it any more
      await Promise.race([first, late])
      timer.abort()
      signal?.throwIfAborted()
    },
    known: () => readRegistries(file),
  }
}
