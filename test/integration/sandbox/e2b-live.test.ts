/** The contract suite on E2B itself. Runs only with a key, costs some cents, and prints how much. */

import { afterAll, describe, expect, test } from 'vitest'
import { estimateCost } from '../../../src/sandbox/cost.ts'
import { createSandboxProviders } from '../../../src/sandbox/create.ts'
import { createMemoryLedger } from '../../../src/sandbox/e2b/fake/memory-ledger.ts'
import { createE2bProvider } from '../../../src/sandbox/e2b/provider.ts'
import { sandboxContract } from '../../contract/sandbox/suite.ts'
import { aHost } from './support.ts'

const apiKey = process.env['E2B_API_KEY'] ?? ''
/** One run with a key, none without: nothing that a machine could lack is skipped. */
const LIVE = apiKey === '' ? [] : ['e2b.app']
const silent = { info: () => undefined, warn: () => undefined }

describe.each(LIVE)('e2b itself keeps the contract', { timeout: 300_000 }, () => {
  const ledger = { ...createMemoryLedger(), deployment: async () => `contract-${process.pid}-${Date.now()}` }
  const deployment = ledger.deployment()
  const own = { ...ledger, deployment: () => deployment }
  const aProvider = () => {
    const domain = process.env['E2B_DOMAIN']
    const template = process.env['E2B_TEMPLATE']
    return createE2bProvider({ apiKey, domain, template, ledger: own, store: own, logger: silent })
  }
  const provider = aProvider()
  afterAll(async () => {
    let usd = 0
    for await (const { ref, createdAt, cpus, memoryMb } of provider.list()) {
      usd += estimateCost('e2b', { runningMs: Date.now() - createdAt, cpus, memoryMb }).usd ?? 0
      await provider.destroy(ref)
    }
    process.stdout.write(`The contract suite on E2B cost at most $${usd.toFixed(4)}.\n`)
  })
  sandboxContract(() => ({
    provider,
    secondProvider: aProvider,
    caps: { keepsWholeTrees: false, confinesDevices: false, hasRipgrep: false },
  }))
})
describe('e2b without a key', () => {
  test('there is no e2b provider, and a project that wants one is told what to set', async () => {
    const host = aHost()
    const providers = createSandboxProviders({ kind: 'local-bwrap', dir: host.dir, logger: silent })
    expect(providers.kinds).toEqual(['local-bwrap'])
    expect(() => providers.of('e2b')).toThrow('set E2B_API_KEY')
    await providers.close()
    await host.close()
  })
})
