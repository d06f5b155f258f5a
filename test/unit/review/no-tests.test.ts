import { describe, expect, test } from 'vitest'
import { whyNoTestRan } from '../../../src/review/no-tests.ts'

const UNITTEST = '\n----------------------------------------------------------------------\nRan 0 tests in 0.000s\n\nOK'
const TAP = 'TAP version 13\n1..0\n# tests 0\n# suites 0\n# pass 0\n# fail 0'
const CARGO = 'running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'

describe('a check that ended well proves nothing when its runner found no test', () => {
  test.each([
    ['unittest', UNITTEST, 'Ran 0 tests in'],
    ['node --test, piped', TAP, '# tests 0'],
    ['node --test, in a terminal', 'ℹ tests 0\nℹ suites 0\nℹ pass 0', 'ℹ tests 0'],
    ['npm around it', `> app@1.0.0 test\n> node --test\n\n${TAP}`, '# tests 0'],
    ['cargo test', CARGO, 'running 0 tests'],
    ['go test, no files', '?   \texample.com/app\t[no test files]', '[no test files]'],
    ['go test, a filter', 'ok  \texample.com/app\t0.002s [no tests to run]', '[no tests to run]'],
    ['jest', 'No tests found, exiting with code 0', 'No tests found, exiting with code 0'],
    ['vitest', ' RUN  v4\n\nNo test files found, exiting with code 0', 'No test files found, exiting with code 0'],
    ['mocha', '\n\n  0 passing (1ms)\n', '0 passing'],
    ['RSpec', 'No examples found.\n\n0 examples, 0 failures', '0 examples, 0 failures'],
    ['PHPUnit', 'No tests executed!', 'No tests executed!'],
    ['ctest', 'Test project /tmp/b\nNo tests were found!!!', 'No tests were found!!!'],
    ['mix', 'There are no tests to run', 'There are no tests to run'],
    ['swift', "Test Suite 'All' passed\n\t Executed 0 tests, with 0 failures", 'Executed 0 tests'],
    ['dotnet', 'No test is available in /w/a.dll. Make sure', 'No test is available in'],
    ['prove', 'Files=0, Tests=0, 0 wallclock secs\nResult: NOTESTS', 'Result: NOTESTS'],
  ])('%s', (_runner, output, words) => {
    expect(whyNoTestRan(output)).toBe(`it found no test to run (it says “${words}”)`)
  })
})

const SKIPPED = 'TAP version 13\n# tests 3\n# suites 0\n# pass 0\n# fail 0\n# cancelled 0\n# skipped 3\n# todo 0'

describe('a check that ended well proves nothing when its runner skipped each test', () => {
  test.each([
    ['unittest', 'sss\n\nRan 3 tests in 0.000s\n\nOK (skipped=3)', 'OK (skipped=3)'],
    ['node --test, piped', SKIPPED, '# skipped 3'],
    ['node --test, in a terminal', SKIPPED.replaceAll('# ', 'ℹ '), 'ℹ skipped 3'],
    [
      'cargo test',
      'running 2 tests\ntest a ... ignored\n\ntest result: ok. 0 passed; 0 failed; 2 ignored; 0 measured',
      'test result: ok. 0 passed; 0 failed; 2 ignored',
    ],
    ['RSpec', '3 examples, 0 failures, 3 pending', '3 examples, 0 failures, 3 pending'],
    [
      'Maven',
      '[WARNING] Tests run: 4, Failures: 0, Errors: 0, Skipped: 4',
      '[WARNING] Tests run: 4, Failures: 0, Errors: 0, Skipped: 4',
    ],
    [
      'PHPUnit',
      'OK, but some tests were skipped!\nTests: 2, Assertions: 0, Skipped: 2.',
      'Tests: 2, Assertions: 0, Skipped: 2.',
    ],
    [
      'jest',
      'Test Suites: 1 skipped, 0 of 1 total\nTests:       12 skipped, 12 total',
      'Tests:       12 skipped, 12 total',
    ],
    ['vitest', ' Test Files  1 skipped (1)\n      Tests  2 skipped (2)\n', 'Tests  2 skipped (2)'],
    ['pytest', '======= 13 skipped in 0.01s =======', '======= 13 skipped in 0'],
  ])('%s', (_runner, output, words) => {
    expect(whyNoTestRan(output)).toBe(`it skipped all its tests (it says “${words}”)`)
  })
})

describe('a check that ended well counts when', () => {
  test.each([
    ['unittest skipped some', 'ss.\n\nRan 3 tests in 0.000s\n\nOK (skipped=2)'],
    ['node skipped some', SKIPPED.replace('pass 0', 'pass 1').replace('tests 3', 'tests 4')],
    ['node ran what is marked todo', SKIPPED.replace('todo 0', 'todo 1').replace('tests 3', 'tests 4')],
    [
      'cargo ran one suite and ignored another',
      `running 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\ntest result: ok. 0 passed; 0 failed; 2 ignored`,
    ],
    ['pytest skipped some', '1 passed, 2 skipped in 0.01s'],
    ['RSpec ran some', '3 examples, 0 failures, 1 pending'],
    ['Maven ran some', '[INFO] Tests run: 4, Failures: 0, Errors: 0, Skipped: 1'],
    ['jest ran some', 'Tests:       1 skipped, 3 passed, 4 total'],
    ['unittest ran one', UNITTEST.replace('0 tests', '1 test')],
    ['one of two suites of unittest ran some', `${UNITTEST}\n${UNITTEST.replace('0 tests', '12 tests')}`],
    ['node ran some', TAP.replaceAll(' 0', ' 3')],
    ['another runner of the same command ran some', `${TAP}\n\n  4 passing (8ms)`],
    ['cargo ran some and had no documentation tests', `running 2 tests\ntest a ... ok\n\n${CARGO}`],
    ['one of the packages of go has tests', '?   \tapp/cmd\t[no test files]\nok  \tapp/lib\t0.003s'],
    ['one of the packages of go was tested before', '?   \tapp/cmd\t[no test files]\nok  \tapp/lib\t(cached)'],
    ['pytest ran some', '3 passed in 0.01s'],
    [
      'one of two .NET projects has tests',
      'No test is available in /w/a.dll.\nPassed!  - Failed: 0, Passed:     3, Total: 3',
    ],
    ['it is silent', ''],
    ['it is no test runner', 'Checked 0 files. No fixes applied.'],
    ['it printed more than a run of nothing does', `${'.'.repeat(8_000)}${UNITTEST}`],
  ])('%s', (_what, output) => {
    expect(whyNoTestRan(output)).toBeNull()
  })
})
