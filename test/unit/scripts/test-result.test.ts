import { expect, test } from 'vitest'
import { closingLine, unexcusedSkips } from '../../../scripts/lib/test-result.mjs'

const record = (file: string, state: 'passed' | 'failed' | 'skipped', note?: string) => ({
  file,
  name: 'a test',
  state,
  ...(note === undefined ? {} : { note }),
})

test('a skip is excused by a reason that lies in the machine, and a sandbox test never', () => {
  const tests = [
    record('test/unit/a.test.ts', 'passed'),
    record('test/unit/b.test.ts', 'skipped'),
    record('test/e2e/page.test.ts', 'skipped', 'This machine cannot show a browser'),
    record('test/integration/sandbox.test.ts', 'skipped', 'this machine cannot make user namespaces'),
    record('test/unit/c.test.ts', 'failed'),
  ]
  expect({ line: closingLine(tests), skips: unexcusedSkips(tests).map((one) => one.file) }).toEqual({
    line: '1 passed, 1 failed, 3 skipped',
    skips: ['test/unit/b.test.ts', 'test/integration/sandbox.test.ts'],
  })
})
