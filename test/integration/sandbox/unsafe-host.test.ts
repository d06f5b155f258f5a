import { afterAll, expect, test } from 'vitest'
import { aSandbox, aSpec, run, textOf, waitForOutput } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
afterAll(async () => await host.close())

test('unsafe-host says loudly what it is, and runs, kills and confines file calls like the others', async () => {
  const provider = host.provider({ kind: 'unsafe-host' })
  const report = await provider.probe()
  const { sandbox } = await aSandbox(provider)
  await sandbox.write([{ path: 'a.txt', data: 'x' }])
  const { output } = await run(sandbox, 'cat a.txt; pwd')
  const spec = aSpec('sleep 60 & echo up; sleep 60')
  await sandbox.start(spec)
  await waitForOutput(sandbox, spec.execId, 'up')
  const killed = await sandbox.kill(spec.execId)
  await expect(sandbox.read('../jobs')).rejects.toMatchObject({ code: 'sandbox_bad_request' })
  expect([report.detail.startsWith('NO SANDBOX'), report.isolation.network, output, killed.status]).toEqual([
    true,
    false,
    `x${sandbox.root}\n`,
    'killed',
  ])
  expect(await textOf(sandbox, `${sandbox.root}/a.txt`)).toBe('x')
})
