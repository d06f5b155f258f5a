import { expect, test } from 'vitest'
import { closingLine, unexcusedSkips, whereTimeWent } from '../../../scripts/lib/test-result.mjs'

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

test('a run says where its time went, by project and by its longest files', () => {
  const file = (name: string, project: string, durationMs: number) => ({ file: name, project, durationMs })
  const many = Array.from({ length: 9 }, (_, index) => file(`u${index}.test.ts`, 'unit', 100 + index))
  const lines = whereTimeWent([...many, file('a.test.ts', 'e2e', 20_040), file('b.test.ts', 'e2e', 1_000)])
  expect(lines).toEqual([
    'Time of the files, those of a project taken together:',
    '      0.9 s  unit, 9 files',
    '     21.0 s  e2e, 2 files',
    'The longest:',
    '     20.0 s  a.test.ts',
    '      1.0 s  b.test.ts',
    ...many
      .toReversed()
      .slice(0, 8)
      .map((one) => `      0.1 s  ${one.file}`),
  ])
})
