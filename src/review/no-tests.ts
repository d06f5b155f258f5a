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

/** Any of these says that a test did run, whichever runner printed it: one command may start several runners. */
const SOME_RAN: readonly RegExp[] = [
  /^Ran [1-9]\d{0,8} tests? in /m,
  /^(?:# |ℹ )tests [1-9]/m,
  /^running [1-9]\d{0,8} tests?$/m,
  /^ok\s+\S{1,500}\s+(?:\d[\d.]{0,12}s|\(cached\))$/m,
  /\b[1-9]\d{0,8} (?:passed|passing|examples?|tests?)\b/,
  /^OK \([1-9]/m,
  /\bPassed:\s{1,10}[1-9]/,
  /^Files=[1-9]/m,
]

/** The lines looked at; a run that printed more ran something. */
const MAX_CHARS = 8_000

/**
 * Why a check that ended well proves nothing: its runner says that it found no test. null when the output says nothing of the
 * kind, names any test that ran, or is longer than 8,000 characters. A guess from text, so the reason quotes what it rests on.
 * Pure, linear in the output.
 */
export function whyNoTestRan(output: string): string | null {
  if (output.length > MAX_CHARS || SOME_RAN.some((line) => line.test(output))) return null
  for (const line of NOTHING_RAN) {
    const words = line.exec(output)?.[0].trim()
    if (words !== undefined) return `it found no test to run (it says “${words}”)`
  }
  return null
}
