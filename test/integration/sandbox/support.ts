import { mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSandboxProvider, type SandboxProviderOptions } from '../../../src/sandbox/create.ts'
import type { JobRecord } from '../../../src/sandbox/local-bwrap/job-files.ts'
import { removeTree } from '../../../src/sandbox/local-bwrap/remove-tree.ts'
import type { SandboxProvider, SandboxRef } from '../../../src/sandbox/types.ts'

const silent = { info: () => undefined, warn: () => undefined }

/** Providers on one directory of their own, which `close` removes; their runner ends by itself then. */
export function aHost() {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'keelson-sandbox-')))
  const opened: SandboxProvider[] = []
  return {
    dir,
    provider(options: Partial<SandboxProviderOptions> = {}): SandboxProvider {
      const provider = createSandboxProvider({
        kind: 'local-bwrap',
        dir,
        logger: silent,
        runnerIdleMs: 5_000,
        ...options,
      })
      opened.push(provider)
      return provider
    },
    workspaceOf(ref: SandboxRef): string {
      return path.join(dir, 'projects', ref.id, 'workspace')
    },
    /** The runner that started a command. */
    runnerPid(ref: SandboxRef, execId: string): number {
      const file = path.join(dir, 'projects', ref.id, 'jobs', execId, 'spec.json')
      return (JSON.parse(readFileSync(file, 'utf8')) as JobRecord).runner.pid
    },
    async close(): Promise<void> {
      for (const provider of opened) await provider.close()
      // Tests leave directories that their owner may not enter.
      await removeTree(dir)
    },
  }
}
