import { afterAll, describe, expect, test } from 'vitest'
import { sandboxContract } from '../../contract/sandbox/suite.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
afterAll(async () => await host.close())

test('this machine can isolate commands', () => {
  expect(report).toEqual({
    ok: true,
    kind: 'local-bwrap',
    detail: expect.stringContaining('bubblewrap works'),
    isolation: { userNamespace: true, network: true, seccomp: true, pidLimit: true, memoryLimit: true },
    protections: expect.any(Array),
  })
  expect(report.protections?.filter(({ holds }) => !holds)).toEqual([])
})

describe.skipIf(!report.ok)(`local-bwrap keeps the contract (${report.detail})`, { timeout: 60_000 }, () => {
  sandboxContract(() => ({ provider, secondProvider: () => host.provider() }))
})
