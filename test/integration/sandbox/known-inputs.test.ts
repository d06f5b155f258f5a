import { afterAll, expect, test } from 'vitest'
import { KnownInputs } from '../../../src/environment/known-inputs.ts'
import { aSandbox } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
afterAll(async () => await host.close())

test('inputs are looked at again when one of them came, went or changed, and not for other files', async () => {
  const { sandbox } = await aSandbox(provider)
  const known = new KnownInputs()
  const { signal } = new AbortController()
  let looks = 0
  const paths = async (): Promise<string[]> => {
    const options = { execId: `look-${++looks}`, taskId: 'tsk_1', signal }
    return [...(await known.of(sandbox, await sandbox.checkpoint(), options)).hashes.keys()]
  }
  const commands = async () => (await sandbox.execs()).length

  await sandbox.write([{ path: 'package.json', data: '{}' }])
  expect([await paths(), await commands()]).toEqual([['package.json'], 1])
  await sandbox.write([{ path: 'a.txt', data: 'a\n' }])
  expect([await paths(), await commands()]).toEqual([['package.json'], 1])
  await sandbox.write([{ path: 'package.json', data: '{"name":"other"}' }])
  expect([await paths(), await commands()]).toEqual([['package.json'], 2])
  await sandbox.write([{ path: 'inner/requirements.txt', data: 'x\n' }])
  expect([await paths(), await commands()]).toEqual([['inner/requirements.txt', 'package.json'], 3])
  await sandbox.remove('package.json')
  expect([await paths(), await commands()]).toEqual([['inner/requirements.txt'], 4])
  expect([await paths(), await commands()]).toEqual([['inner/requirements.txt'], 4])
})
