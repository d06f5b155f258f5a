import { existsSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSandboxProvider } from '../../sandbox/create.ts'
import type { ProbeReport } from '../../sandbox/types.ts'
import type { Config } from '../../settings/config-groups.ts'
import { type Diagnosis, fail, lineOf, ok, warn } from './diagnosis.ts'

const CGROUP = 'a cgroup of its own is better: systemd-run --user --scope -p Delegate=yes keelson start'
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Makes a sandbox in a directory of its own, asks from inside it what protects this host, and removes it again. */
export async function checkSandbox(
  config: Pick<Config, 'home' | 'sandbox' | 'network' | 'server'>,
): Promise<Diagnosis[]> {
  const { provider: kind } = config.sandbox
  if (kind === 'e2b') return [ok('sandbox', 'e2b, with a key; its first task shows whether it is good')]
  if (kind === 'unsafe-host') {
    return [warn('sandbox', 'none: commands run on this host itself', 'leave out SANDBOX_PROVIDER for bubblewrap')]
  }
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-doctor-')))
  try {
    const provider = createSandboxProvider({
      kind,
      dir,
      logger: SILENT,
      toolchains: config.network.toolchains,
      sandboxUser: config.sandbox.user,
      privateDirs: existsSync(config.home) ? [config.home] : [],
      projectRoots: config.server.projectRoots,
    })
    try {
      return diagnoseSandbox(await provider.probe())
    } finally {
      await provider.close()
    }
  } catch (error) {
    return [fail('sandbox', lineOf(error), 'docs/sandboxes.md says what it needs')]
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A line for the whole and one for each protection. Pure. */
export function diagnoseSandbox(report: ProbeReport): Diagnosis[] {
  const whole = report.ok
    ? ok('sandbox', report.detail)
    : fail('sandbox', report.detail, 'until then tasks are refused; SANDBOX_PROVIDER=e2b needs nothing here')
  const rows = report.protections.map(({ name, holds, by, detail }) => {
    if (!holds) return fail(`sandbox ${name}`, 'does not hold', detail)
    const isLimit = name === 'memory' || name === 'processes'
    return isLimit && !by.includes('cgroup (version') ? warn(`sandbox ${name}`, by, CGROUP) : ok(`sandbox ${name}`, by)
  })
  return [whole, ...rows]
}
