/** What runners print at the end of a run that held no test and still ended with exit code 0, each with the runner's words. */
const NOTHING_RAN: readonly RegExp[] = [
  // unittest before Python 3.12
  /^Ran 0 tests in /m,
  // node --test, in both of its reporters' forms
  /^(?:# |ℹ )tests 0$/m,
  // cargo test
  /^running 0 tests$/m,
  // go test
  /\[no test files\]$/m,
  /\[no tests to run\]$/m,
  // jest and vitest with passWithNoTests
  /^No tests? (?:files )?found, exiting with code 0/m,
  // mocha
  /^\s{0,8}0 passing\b/m,
  // RSpec, PHPUnit
  /^0 examples, 0 failures/m,
  /^No tests executed!$/m,
  // ctest, mix, Swift, .NET, prove
  /^No tests were found!!!$/m,
  /^There are no tests to run$/m,
  /^\s*Executed 0 tests\b/m,
  /^No test is available in /m,
  /^Result: NOTESTS$/m,
]

/** What they print when each test that they found was skipped. The first group is how many there were, the second how many were skipped. */
const ALL_SKIPPED: readonly RegExp[] = [
  // unittest
  /^Ran ([1-9]\d{0,8}) tests? in [^\n]{0,40}\n+OK \(skipped=(\d{1,9})\)$/m,
  // node --test; what is marked todo has run
  /^(?:# |ℹ )tests ([1-9]\d{0,8})$[\s\S]{0,200}^(?:# |ℹ )pass 0$[\s\S]{0,200}^(?:# |ℹ )skipped (\d{1,9})$/m,
  // RSpec
  /^([1-9]\d{0,8}) examples?, 0 failures, (\d{1,9}) pending$/m,
  // Maven, at the end of all
  /^\[[A-Z]{4,7}\] Tests run: ([1-9]\d{0,8}), Failures: 0, Errors: 0, Skipped: (\d{1,9})$/m,
  // PHPUnit
  /^Tests: ([1-9]\d{0,8}), Assertions: \d{1,9}, Skipped: (\d{1,9})\.$/m,
  // jest, vitest
  /^Tests: {1,10}(?=([1-9]\d{0,8}))(\d{1,9}) skipped, \1 total$/m,
  /^ {0,8}Tests {1,4}(?=([1-9]\d{0,8}))(\d{1,9}) skipped \(\1\)$/m,
  // pytest
  /^(?:=+ )?(?=([1-9]\d{0,8}))(\d{1,9}) skipped in \d/m,
]

/** Any of these says that a test did run, whichever runner printed it: one command may start several runners. */
const SOME_RAN: readonly RegExp[] = [
  /^(?:# |ℹ )pass [1-9]/m,
  /^(?:# |ℹ )todo [1-9]/m,
  /^ok\s+\S{1,500}\s+(?:\d[\d.]{0,12}s|\(cached\))$/m,
  /\b[1-9]\d{0,8} (?:passed|passing)\b/,
  /^OK \([1-9]/m,
  /\bPassed:\s{1,10}[1-9]/,
  /^Files=[1-9]/m,
]
/** The same, where no runner's words say that all of these were skipped. */
const SOME_FOUND: readonly RegExp[] = [
  /^Ran [1-9]\d{0,8} tests? in /m,
  /^(?:# |ℹ )tests [1-9]/m,
  /\b[1-9]\d{0,8} (?:examples?|tests?)\b/,
]
/** cargo test, a suite: those that it ignored were found and did not run. */
const CARGO_IGNORED = /^test result: ok\. 0 passed; 0 failed; [1-9]\d{0,8} ignored/m

/** The lines looked at; a run that printed more ran something. */
const MAX_CHARS = 8_000

/**
 * Why a check that ended well proves nothing: its runner says that it found no test, or skipped each that it found. null when
 * the output says nothing of the kind, names any test that ran, or is longer than 8,000 characters. A guess from text, so the
 * reason quotes what it rests on. Pure, linear in the output.
 */
export function whyNoTestRan(output: string): string | null {
  if (output.length > MAX_CHARS || SOME_RAN.some((line) => line.test(output))) return null
  for (const line of ALL_SKIPPED) {
    const [words, found, skipped] = line.exec(output) ?? []
    if (words !== undefined && found === skipped) return `it skipped all its tests (it says “${lastLine(words)}”)`
  }
  const ignored = CARGO_IGNORED.exec(output)?.[0]
  if (ignored !== undefined) return `it skipped all its tests (it says “${ignored}”)`
  if (SOME_FOUND.some((line) => line.test(output))) return null
  for (const line of NOTHING_RAN) {
    const words = line.exec(output)?.[0].trim()
    if (words !== undefined) return `it found no test to run (it says “${words}”)`
  }
  return null
}

function lastLine(words: string): string {
  return words.slice(words.lastIndexOf('\n') + 1).trim()
}
