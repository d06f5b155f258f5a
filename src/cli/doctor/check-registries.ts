import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Registry } from '../../egress/decision.ts'
import { gatewayPaths } from '../../egress/gateway-files.ts'
import { hostProxiesOf } from '../../egress/host-proxy.ts'
import { discoverRegistries, type KnownRegistries } from '../../egress/registries/discover.ts'
import { reachRegistry } from '../../egress/registries/reach-registry.ts'
import { readTrusted } from '../../egress/trusted-files.ts'
import type { Config } from '../../settings/config-groups.ts'
import { type Diagnosis, fail, lineOf, ok, warn } from './diagnosis.ts'

const FIX = 'look at the proxy and the mirror that this tool is set up with; KEELSON_REGISTRIES names others'

/**
 * Asks this host's package managers which registries they use, as a start does, and each registry whether it answers: a
 * line a tool. Takes seconds, unless a start asked the tools within a day. Leaves nothing behind.
 */
export async function checkRegistries(config: Pick<Config, 'home' | 'network'>): Promise<Diagnosis[]> {
  try {
    const known = await knownRegistries(config)
    const trusted = [...rootCertificates, ...readTrusted(config.network.trustedFiles)]
    const proxies = hostProxiesOf(config.network.toolEnv)
    const problems = new Map<string, string | null>()
    const ask = async (registry: Registry) => {
      const problem = await reachRegistry(registry, { trusted, proxies })
      problems.set(registry.host, problem ?? problems.get(registry.host) ?? null)
    }
    await Promise.all(known.registries.map(ask))
    return diagnoseRegistries(known, problems)
  } catch (error) {
    return [warn('registries', `the package managers could not be asked (${lineOf(error)})`, FIX)]
  }
}

/** A line a tool, and a failure when nothing at all answers. Pure. */
export function diagnoseRegistries(known: KnownRegistries, problems: ReadonlyMap<string, string | null>): Diagnosis[] {
  if (known.registries.length === 0) {
    return [
      warn('registries', 'no package manager is here that uses one', 'install npm, pip or what your projects need'),
    ]
  }
  const isAnyReached = [...problems.values()].includes(null)
  const rows = known.tools.map(({ tool, hosts }) => {
    const silent = hosts.flatMap((host) => {
      const problem = problems.get(host)
      return typeof problem === 'string' ? [`${host}: ${problem}`] : []
    })
    const name = `registry ${tool}`
    if (silent.length === 0) return ok(name, hosts.length === 0 ? 'none' : `${hosts.join(', ')} answers`)
    return isAnyReached ? warn(name, silent.join('; '), FIX) : fail(name, silent.join('; '), FIX)
  })
  return rows
}

async function knownRegistries({ home, network }: Pick<Config, 'home' | 'network'>): Promise<KnownRegistries> {
  const dir = await mkdtemp(path.join(tmpdir(), 'keelson-registries-'))
  try {
    const file = path.join(dir, 'registries.json')
    const kept = gatewayPaths(path.join(home, 'sandboxes')).registries
    if (existsSync(kept)) await copyFile(kept, file)
    return await discoverRegistries({ file, env: network.toolEnv, named: network.registries })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
