import { beforeEach, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, type ProviderUnderTest, run } from './harness.ts'

/** What every provider promises about files that checkpoints do not hold: that a change of them is noticed. */
export function leftOutContract(underTest: () => ProviderUnderTest): void {
  describe('what checkpoints leave out', () => {
    let sandbox: Sandbox
    const moved = async () =>
      (await sandbox.leftOutSince('begin')).map(({ path, kind, files, replaced, examples }) => [
        path,
        kind,
        files,
        replaced,
        examples.toSorted(),
      ])

    beforeEach(async () => {
      sandbox = (await aSandbox(underTest().provider)).sandbox
      await sandbox.write([
        { path: 'package.json', data: '{}' },
        { path: 'node_modules/minitest/index.js', data: 'run()' },
        { path: 'node_modules/other/index.js', data: '1' },
      ])
      await sandbox.checkpoint()
      await run(sandbox, 'mkdir -p dist; echo out > dist/o.js; git init -q . 2>/dev/null; true')
      await sandbox.checkpoint()
      await sandbox.markLeftOut('begin')
    })

    test('nothing is told when nothing moved there, whatever else did', async () => {
      await run(sandbox, 'echo x > README.md; cat node_modules/other/index.js; git status >/dev/null 2>&1')
      await sandbox.markLeftOut('begin')
      expect([await moved(), await sandbox.leftOutSince('never-kept')]).toEqual([[], []])
    })

    test('a rewritten, a removed and a new file are counted, the ones that are there named', async () => {
      await run(
        sandbox,
        `touch -r node_modules/minitest/index.js /tmp/t; printf 'exit' > node_modules/minitest/index.js
         touch -r /tmp/t node_modules/minitest/index.js; rm node_modules/other/index.js; echo n > node_modules/new.js
         echo more >> dist/o.js`,
      )
      expect(await moved()).toEqual([
        ['dist', 'build', 1, 1, ['dist/o.js']],
        ['node_modules', 'dependencies', 2, 2, ['node_modules/minitest/index.js', 'node_modules/new.js']],
      ])
    })

    test('caches are told as such, a commit as a change of git', async () => {
      await run(
        sandbox,
        `mkdir -p __pycache__ node_modules/.cache; echo c > __pycache__/a.pyc; echo c > node_modules/.cache/x
         git -c user.name=a -c user.email=a@b.invalid commit -q --allow-empty -m one`,
      )
      const kinds = (await sandbox.leftOutSince('begin')).map(({ path, kind }) => `${path} ${kind}`)
      expect(kinds.filter((line) => !line.startsWith('.git ')).toSorted()).toEqual([
        '__pycache__ cache',
        'node_modules cache',
      ])
      expect(kinds).toContain('.git git')
    })
  })
}
