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

describe('a check that ended well counts when', () => {
  test.each([
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
