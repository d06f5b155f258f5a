/** What server and worker build alike from the settings. Each process closes what it built. */

import type { Credentials } from './credentials/credentials.ts'
import { createRegistryTokens } from './credentials/registry-tokens.ts'
import { createDb, type Db } from './db/client.ts'
import { createSandboxLedger } from './db/workspace/sandbox-ledger.ts'
import { hostProxiesOf } from './egress/host-proxy.ts'
import type { KnownRegistries } from './egress/registries/discover.ts'
import type { Publisher } from './events/publisher.ts'
import type { createLogger } from './logger.ts'
import { createSandboxProviders, e2bOptions, type SandboxProviderOptions } from './sandbox/create.ts'
import type { SandboxProviders } from './sandbox/providers.ts'
import type { Config } from './settings/config-groups.ts'

type Log = ReturnType<typeof createLogger>

/** The database's pool, named after the process; every durable event goes to the publisher and is counted. Opens nothing yet. */
export function openDatabase(
  config: Config,
  parts: {
    readonly applicationName: string
    readonly publisher: Pick<Publisher, 'publishEvents'>
    readonly metrics: { onEvents(events: Parameters<Db['onEvents']>[1]): void }
    readonly log: Log
  },
): Db {
  return createDb({
    url: config.database.url,
    applicationName: parts.applicationName,
    poolSize: config.database.poolSize,
    onEvents: (projectId, events) => {
      parts.publisher.publishEvents(projectId, events)
      parts.metrics.onEvents(events)
    },
    onConnectionError: (error) => parts.log.warn({ err: error }, 'an idle database connection was lost'),
  })
}

/** The directory of the local sandboxes. Pure. */
export function sandboxesDirOf({ home }: Pick<Config, 'home'>): string {
  return `${home}/sandboxes`
}

/** The sandboxes of the settings' provider; `own` is what this process adds. Starts nothing. Throws `sandbox_unavailable`. */
export function openSandboxes(
  config: Config,
  parts: {
    readonly db: Db
    readonly log: Log
    readonly credentials: Credentials
    /** The registries as they are known at the time of the call. */
    readonly registries: () => Pick<KnownRegistries, 'registries'>
  },
  own: Pick<SandboxProviderOptions, 'keptBytes' | 'registriesReady'> = {},
): SandboxProviders {
  const { db, log, credentials, registries } = parts
  return createSandboxProviders({
    kind: config.sandbox.provider,
    dir: sandboxesDirOf(config),
    logger: log,
    trustedFiles: config.network.trustedFiles,
    registryTokens: createRegistryTokens({
      credentials,
      onFailure: (error) => log.warn({ err: error }, 'the stored registry tokens could not be read or noted as used'),
    }),
    hostProxies: hostProxiesOf(config.network.toolEnv),
    toolchains: config.network.toolchains,
    registryHosts: () => registries().registries.map(({ host }) => host),
    sandboxUser: config.sandbox.user,
    ...(config.sandbox.maxCommands && { limits: { maxCommands: config.sandbox.maxCommands } }),
    privateDirs: [config.home],
    projectRoots: config.server.projectRoots,
    ...e2bOptions(config.sandbox, createSandboxLedger(db)),
    ...own,
  })
}
