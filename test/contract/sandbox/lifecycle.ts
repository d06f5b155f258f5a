import { describe, expect, test } from 'vitest'
import { aSandbox, aSpec, codeOf, type ProviderUnderTest, readToEnd, textOf } from './harness.ts'

/** What every provider promises about making, finding and ending sandboxes. */
export function lifecycleContract(underTest: () => ProviderUnderTest): void {
  describe('lifecycle', () => {
    test('ensuring a sandbox twice, also at once and by two workers, makes one', async () => {
      const { provider, secondProvider } = underTest()
      const spec = { projectId: `prj_double_${process.pid}`, generation: 1 }
      const refs = await Promise.all([provider.ensure(spec), secondProvider().ensure(spec), provider.ensure(spec)])
      const [first] = refs
      await (await provider.open(first)).write([{ path: 'f', data: 'x' }])
      const again = await provider.ensure({ ...spec, existing: first })
      expect([refs, again, await textOf(await provider.open(again), 'f')]).toEqual([[first, first, first], first, 'x'])
    })

    test('a sandbox is listed until it is destroyed, and then it is gone', async () => {
      const { provider } = underTest()
      const { ref, sandbox } = await aSandbox(provider)
      const listed = async () => {
        const ids: string[] = []
        for await (const summary of provider.list()) ids.push(summary.ref.id)
        return ids.includes(ref.id)
      }
      const before = await listed()
      await sandbox.start(aSpec('sleep 60'))
      await provider.destroy(ref)
      await provider.destroy(ref)
      expect({
        before,
        after: await listed(),
        open: await codeOf(provider.open(ref)),
        start: await codeOf(sandbox.start(aSpec('true'))),
        ensure: await codeOf(provider.ensure({ projectId: ref.projectId, generation: 1, existing: ref })),
      }).toEqual({ before: true, after: false, open: 'sandbox_gone', start: 'sandbox_gone', ensure: 'sandbox_gone' })
    })

    test('a sandbox of another project or a made-up id is refused', async () => {
      const { provider } = underTest()
      const { ref } = await aSandbox(provider)
      const codes = await Promise.all([
        codeOf(provider.open({ ...ref, id: '../../etc' })),
        codeOf(provider.open({ ...ref, projectId: 'prj_other' })),
        codeOf(provider.ensure({ projectId: '..', generation: 1 })),
        codeOf(provider.ensure({ projectId: 'a/b', generation: 1 })),
        codeOf(provider.ensure({ projectId: 'a', generation: -1 })),
      ])
      expect(codes).toEqual(Array(5).fill('sandbox_bad_request'))
    })

    test('records of ended commands are forgotten when they are old and their task is over, and only then', async () => {
      const { provider } = underTest()
      const { sandbox } = await aSandbox(provider)
      const effect = 'echo ran >> effects'
      const [over, open, running] = [
        aSpec(effect, { taskId: 'tsk_over' }),
        aSpec(effect, { taskId: 'tsk_open' }),
        aSpec('sleep 60', { taskId: 'tsk_over' }),
      ]
      for (const spec of [over, open, running]) await sandbox.start(spec)
      for (const spec of [over, open]) await readToEnd(sandbox, spec.execId)
      const asked = new Set<string>()
      const prune = async (olderThanMs: number) =>
        await provider.prune(olderThanMs, async (tasks) => {
          for (const task of tasks) asked.add(task)
          // Other tests' commands stay theirs.
          return new Set(tasks.filter((task) => task !== 'tsk_over'))
        })
      await prune(3_600_000)
      const kept = (await sandbox.execs()).length
      await prune(-60_000)
      // A worker that comes back a long time later.
      const again = await sandbox.start(open)
      const left = (await sandbox.execs()).map(({ execId }) => execId).sort()
      await sandbox.killAll()
      expect({
        kept,
        left,
        again: again.status,
        effects: await textOf(sandbox, 'effects'),
        wasAsked: ['tsk_over', 'tsk_open'].every((task) => asked.has(task)),
      }).toEqual({
        kept: 3,
        left: [open.execId, running.execId].sort(),
        again: 'exited',
        effects: 'ran\nran\n',
        wasAsked: true,
      })
    })

    test('two sandboxes do not see each other', async () => {
      const { provider } = underTest()
      const [one, two] = [await aSandbox(provider), await aSandbox(provider)]
      await one.sandbox.write([{ path: 'secret', data: 'x' }])
      expect(await two.sandbox.stat('secret')).toBeNull()
    })
  })
}
