import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { aSandbox, codeOf } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
afterAll(async () => await host.close())

const MIB = 1024 * 1024

test('checkpoints beyond the limit are given up, those that are kept come back whole, and work goes on', async () => {
  const provider = host.provider()
  const { ref, sandbox } = await aSandbox(provider)
  const other = await host.provider().open(ref)
  const beside = () =>
    Number(
      execFileSync('du', ['-sb', path.join(host.dir, 'projects', ref.id, 'shadow.git')])
        .toString()
        .split('\t')[0],
    )
  const rewrite = async () => {
    const files = Array.from({ length: 8 }, (_, at) => ({ path: `d/${at}.bin`, data: randomBytes(1.9 * MIB) }))
    await sandbox.write([...files, { path: 'large.bin', data: randomBytes(3 * MIB) }])
    return await sandbox.checkpoint()
  }
  const trees = [await sandbox.checkpoint()]
  for (let turn = 0; turn < 8; turn++) trees.push(await rewrite())
  await other.checkpoint()
  const before = beside()
  const [first = '', ...rest] = trees
  const last = rest.pop() ?? ''
  const ask = { keep: [first, last], newestFirst: rest.toReversed(), maxBytes: 64 * MIB, sinceMs: Date.now() + 1 }
  const dropped = (await sandbox.pruneCheckpoints?.(ask)) ?? []
  const after = beside()
  const again = await sandbox.pruneCheckpoints?.(ask)
  const [kept = ''] = ask.newestFirst
  await other.restore(kept)
  const restored = await other.checkpoint()
  await sandbox.restore(last)
  expect({
    grew: before > 120 * MIB,
    bounded: after <= 66 * MIB,
    dropped: dropped.length > 0 && rest.slice(0, 4).every((tree) => dropped.includes(tree)),
    same: [...(again ?? [])].toSorted(),
    gone: await codeOf(sandbox.restore(dropped.at(-1) ?? '')),
    restored,
    last: await sandbox.checkpoint(),
    first: await codeOf(sandbox.restore(first)),
  }).toEqual({
    grew: true,
    bounded: true,
    dropped: true,
    same: [...dropped].toSorted(),
    gone: 'sandbox_bad_request',
    restored: kept,
    last,
    first: 'none',
  })
})
