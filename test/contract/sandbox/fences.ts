import { describe, expect, test } from 'vitest'
import { aSandbox, aSpec, codeOf, type ProviderUnderTest, readToEnd, run, textOf, waitForOutput } from './harness.ts'

/** What every provider promises about attempts that were replaced. */
export function fenceContract(underTest: () => ProviderUnderTest): void {
  describe('fences', () => {
    test('once a newer attempt came, an older one changes nothing, in any process, and goes on reading', async () => {
      const { provider, secondProvider } = underTest()
      const { ref, sandbox } = await aSandbox(provider)
      const older = await sandbox.fenced(3)
      await older.write([{ path: 'f', data: 'old' }])
      const tree = await older.checkpoint()
      const running = aSpec('echo up; sleep 60')
      const newer = await (await secondProvider().open(ref)).fenced(4)
      await newer.write([{ path: 'f', data: 'new' }])
      await newer.start(running)
      await waitForOutput(newer, running.execId, 'up')
      const codes = await Promise.all([
        codeOf(older.start(aSpec('echo late > g'))),
        codeOf(older.write([{ path: 'f', data: 'late' }])),
        codeOf(older.remove('f')),
        codeOf(older.restore(tree)),
        codeOf(older.kill(running.execId)),
        codeOf(older.killAll()),
        codeOf(sandbox.fenced(3).then((again) => again.write([{ path: 'f', data: 'late' }]))),
      ])
      const states = await newer.execs()
      await newer.kill(running.execId)
      expect({
        codes,
        file: await textOf(newer, 'f'),
        other: await newer.stat('g'),
        commands: states.map(({ execId, status }) => [execId, status]),
      }).toEqual({
        codes: Array(7).fill('lease_lost'),
        file: 'new',
        other: null,
        commands: [[running.execId, 'running']],
      })
    })

    test('the newest attempt may do all, twice too, and so may who is no attempt', async () => {
      const { provider } = underTest()
      const { sandbox } = await aSandbox(provider)
      await sandbox.fenced(1)
      const newest = await (await sandbox.fenced(7)).fenced(7)
      await newest.write([{ path: 'a/f', data: 'one' }])
      const tree = await newest.checkpoint()
      const spec = aSpec('echo two > a/f')
      await newest.start(spec)
      await readToEnd(newest, spec.execId)
      await newest.start(spec)
      await newest.restore(tree)
      await sandbox.write([{ path: 'g', data: 'three' }])
      const { output } = await run(newest, 'cat a/f g')
      await newest.remove('a')
      expect([output, await newest.stat('a')]).toEqual(['onethree', null])
    })

    test('of attempts that come at once the newest stays', async () => {
      const { provider, secondProvider } = underTest()
      const { ref } = await aSandbox(provider)
      const second = secondProvider()
      const codes = await Promise.all(
        Array.from({ length: 12 }, async (_, i) => {
          const opened = await (i % 2 === 0 ? provider : second).open(ref)
          const attempt = opened.fenced(i + 1)
          return await codeOf(attempt.then((mine) => mine.write([{ path: `f${i}`, data: 'x' }])))
        }),
      )
      const opened = await provider.open(ref)
      const after = await Promise.all(
        [11, 12].map(async (lease) => await codeOf(opened.fenced(lease).then((mine) => mine.remove('f0')))),
      )
      const odd = codes.filter((code) => code !== 'none' && code !== 'lease_lost')
      expect([odd, codes.at(-1), after]).toEqual([[], 'none', ['lease_lost', 'none']])
    })
  })
}
