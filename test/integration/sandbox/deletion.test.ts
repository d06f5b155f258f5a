import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { aSandbox, run } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
afterAll(async () => await host.close())

/** What `find` sees below the host's directory by these names. */
function found(...names: string[]): string[] {
  const words = names.flatMap((name) => ['-o', '-name', `*${name}*`]).slice(1)
  return execFileSync('find', [host.dir, '(', ...words, ')'])
    .toString()
    .split('\n')
    .filter(Boolean)
}

test('what a sandbox held is gone with it: too long a path, a locked directory, the directory named by the project', async () => {
  const provider = host.provider()
  const long = await aSandbox(provider)
  await run(long.sandbox, [
    'python3',
    '-c',
    'import os\nfor i in range(25): os.mkdir("d"*200); os.chdir("d"*200)\nopen("deep-secret","w").close()',
  ])
  const locked = await aSandbox(provider)
  await run(locked.sandbox, 'mkdir -p locked/in; echo x > locked/in/locked-secret; chmod 000 locked/in locked')
  const plain = await aSandbox(provider)
  await plain.sandbox.write([{ path: 'plain-secret', data: 'x' }])
  for (const { ref } of [long, locked, plain]) await provider.destroy(ref)
  expect(found('secret', ...[long, locked, plain].map(({ ref }) => ref.projectId))).toEqual([])
})

test('a tree that cannot be removed keeps no other one, and the next sweep tries it again', async () => {
  const warnings: string[] = []
  const logger = { info: () => undefined, warn: (_fields: unknown, message: string) => void warnings.push(message) }
  const provider = host.provider({ logger })
  const stuck = path.join(host.dir, 'trash', 'stuck')
  mkdirSync(stuck, { recursive: true })
  writeFileSync(path.join(stuck, 'stuck-secret'), 'x')
  // `chattr` makes a file that not even root removes, where the file system has the attribute.
  const program = 'chattr'
  const attribute = (word: string) =>
    execFileSync(program, [word, path.join(stuck, 'stuck-secret')], { stdio: 'ignore' })
  let isHeld = true
  try {
    attribute('+i')
  } catch {
    // No such attribute here, or not allowed: then only the other claims are tried.
    isHeld = false
  }
  const { ref, sandbox } = await aSandbox(provider)
  await sandbox.write([{ path: 'other-secret', data: 'x' }])
  await provider.destroy(ref)
  await provider.prune(3_600_000, async () => new Set())
  const whileHeld = { other: found('other-secret'), stuck: found('stuck-secret').length === (isHeld ? 1 : 0) }
  if (isHeld) attribute('-i')
  await provider.prune(3_600_000, async () => new Set())
  expect({ whileHeld, said: warnings.length > 0, left: found('secret') }).toEqual({
    whileHeld: { other: [], stuck: true },
    said: isHeld,
    left: [],
  })
})
