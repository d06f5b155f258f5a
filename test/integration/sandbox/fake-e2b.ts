import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { E2bSettings } from '../../../src/sandbox/e2b/api.ts'
import { createMemoryLedger } from '../../../src/sandbox/e2b/fake/memory-ledger.ts'
import { type FakeE2b, type FakeE2bOptions, startFakeE2b } from '../../../src/sandbox/e2b/fake/server.ts'
import { createE2bProvider } from '../../../src/sandbox/e2b/provider.ts'
import type { SandboxProvider } from '../../../src/sandbox/types.ts'

export const FAKE_KEY = 'e2b_0123456789abcdef0123456789abcdef01234567'
const silent = { info: () => undefined, warn: () => undefined }

/** Why the fake cannot run here, or null. */
export function fakeUnavailable(): string | null {
  return existsSync('/usr/bin/bwrap') ? null : 'bubblewrap is not installed'
}

/** A fake E2B of its own, and providers on it that share a ledger. */
export async function aFakeE2b(options: Partial<FakeE2bOptions> = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-fake-e2b-'))
  const fake: FakeE2b = await startFakeE2b({
    dir,
    bwrapPath: '/usr/bin/bwrap',
    nodePath: process.execPath,
    apiKey: FAKE_KEY,
    ...options,
  })
  const ledger = createMemoryLedger()
  return {
    fake,
    ledger,
    provider: (settings: Partial<E2bSettings> = {}): SandboxProvider =>
      createE2bProvider({
        apiKey: FAKE_KEY,
        apiUrl: fake.url,
        sandboxUrl: fake.url,
        ledger,
        store: ledger,
        logger: silent,
        ...settings,
      }),
    close: () => fake.close(),
  }
}
