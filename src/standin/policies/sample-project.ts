/**
 * Plays the sample task: reads, runs the tests, mends the bug halfway, is told so by the reviewer, mends it whole and
 * adds the missing test. Every step follows from what the tools answered, so a file that is already mended, a failing
 * edit or a red test changes the course.
 */

import {
  act,
  call,
  callsAfter,
  type Policy,
  type PolicyReply,
  type SeenCall,
  type SeenText,
  say,
  type TurnView,
} from '../policy.ts'

const SOURCE = 'src/split-bill.js'
const TEST = 'test/split-bill.test.js'
const TEST_COMMAND = 'npm test'
const MAX_EDIT_ROUNDS = 3

const BUGGY = `  const share = Math.round(totalCents / people)
  return Array.from({ length: people }, () => share)
`
const HALF_MENDED = `  const share = Math.floor(totalCents / people)
  const shares = Array.from({ length: people }, () => share)
  shares[0] += totalCents - share * people
  return shares
`
const MENDED = `  const share = Math.floor(totalCents / people)
  const extraCents = totalCents - share * people
  return Array.from({ length: people }, (_, index) => (index < extraCents ? share + 1 : share))
`
const HALF_MENDED_LINE = 'shares[0] += totalCents - share * people'
const LAST_TEST = `  assert.deepEqual(splitBill(100, 3), [34, 33, 33])
})
`
const MISSING_TEST = `
test('spreads several extra cents over several people', () => {
  assert.deepEqual(splitBill(101, 3), [34, 34, 33])
})
`

/** Whether these words ask for the sample's failing test to be mended. */
export function isSampleRequest(text: string): boolean {
  const asks = /\b(fix|mend|repair|make|get|solve|debug|find)\b/i.test(text)
  return asks && /\b(tests?|bug|build|suite|failing|failure)\b/i.test(text)
}

/** Whether a text is the harness's request to mend what a review or a check found. */
export function isFixRequest(text: string): boolean {
  return /^(Review round \d+ found|Checks failed)/.test(text)
}

/** Works on the sample project alone: mends its bug halfway, is found out by its own review, mends it whole. */
export const sampleProjectPolicy: Policy = (view) => {
  if (view.lane === 'reviewer') return reviewSample(view)
  const request =
    view.texts.findLast((seen) => isFixRequest(seen.text) || isSampleRequest(seen.text)) ?? view.texts.at(-1)
  return workOnSample(view, request)
}

/** The next step for one request of a person or of the harness. */
export function workOnSample(view: TurnView, request: SeenText | undefined): PolicyReply {
  const calls = callsAfter(view, request?.messageIndex ?? 0)
  return request?.text.startsWith('Review round') ? mendFinding(calls, request) : mendTests(calls)
}

function mendTests(calls: readonly SeenCall[]): PolicyReply {
  if (!calls.some((seen) => seen.name === 'glob')) {
    return act(
      'I will look at the project first, then run its tests.',
      call('glob', { pattern: '**/*.js' }),
      call('read', { file_path: 'README.md' }),
    )
  }
  const run = lastRun(calls)
  if (!run) return act('Now the tests, to see what fails.', runTests('Run the test suite'))
  const source = lastRead(calls, SOURCE)
  if (passed(run)) return say(source ? DONE_FIRST : 'All tests pass already, so I changed nothing.')
  if (countEdits(calls) >= MAX_EDIT_ROUNDS) return giveUp(run)
  if (!source || isStale(source, calls)) {
    const failing = failingTest(run)
    return act(
      failing ? `\`${failing}\` fails. I will read the code and its tests.` : 'A test fails. I will read the code.',
      call('read', { file_path: SOURCE }),
      call('read', { file_path: TEST }),
    )
  }
  return halfMend(source, run)
}

function halfMend(source: SeenCall, run: SeenCall): PolicyReply {
  if (holds(source, 'Math.round(totalCents / people)')) {
    return act(
      'Each share is rounded on its own, so 100 cents among 3 people come to 99. I will round down and hand out what is left.',
      call('edit', { file_path: SOURCE, old_string: BUGGY, new_string: HALF_MENDED }),
      runTests('Run the tests again'),
    )
  }
  if (holds(source, HALF_MENDED_LINE)) {
    return act(
      'All the extra cents go to the first person. I will spread them.',
      call('edit', { file_path: SOURCE, old_string: HALF_MENDED, new_string: MENDED }),
      runTests('Run the tests again'),
    )
  }
  return giveUp(run)
}

function mendFinding(calls: readonly SeenCall[], request: SeenText): PolicyReply {
  const source = lastRead(calls, SOURCE)
  const tests = lastRead(calls, TEST)
  if (!source || !tests) {
    return act(
      'I will check the finding against the code.',
      call('read', { file_path: SOURCE }),
      call('read', { file_path: TEST }),
    )
  }
  const run = lastRun(calls)
  if (run) return passed(run) ? say(DONE_FIX) : giveUp(run)
  if (!holds(source, HALF_MENDED_LINE)) {
    const id = /\bfnd_[a-z0-9]+/.exec(request.raw)?.[0] ?? 'unknown'
    return say(`DISPUTE ${id}: ${SOURCE} no longer gives all the extra cents to the first person.`)
  }
  const edits = [call('edit', { file_path: SOURCE, old_string: HALF_MENDED, new_string: MENDED })]
  if (!holds(tests, 'splitBill(101, 3)')) {
    edits.push(call('edit', { file_path: TEST, old_string: LAST_TEST, new_string: `${LAST_TEST}${MISSING_TEST}` }))
  }
  return act(
    'The finding is right: splitBill(101, 3) gives [35, 33, 33]. I will spread the extra cents and add the missing test.',
    ...edits,
    runTests('Run the tests with the new one'),
  )
}

const DONE_FIRST = `The failing test passes now.

- Cause: \`splitBill\` rounded every share on its own, so the shares did not add up to the bill.
- Change: \`${SOURCE}\` rounds down and hands out the cents that are left.
- Check: \`${TEST_COMMAND}\` is green.`

const DONE_FIX = `The finding is mended.

- \`${SOURCE}\` gives one extra cent each to the first people, so no two shares differ by more than a cent.
- \`${TEST}\` has a test for two extra cents among three people.
- Check: \`${TEST_COMMAND}\` is green.`

function giveUp(run: SeenCall): PolicyReply {
  const tail = run.result.trim().split('\n').slice(-5).join('\n')
  return say(
    `The tests still fail, and this scripted demonstration knows no further step. Their last lines:\n\n${tail}`,
  )
}

/** Whether this review is about the sample's bug. */
export function isSampleReview(view: TurnView): boolean {
  return view.texts.some((seen) => seen.raw.includes(SOURCE))
}

/** The reviewer's next step: reads what changed, then judges the code as it is. */
export function reviewSample(view: TurnView): PolicyReply {
  const submitted = view.calls.findLast((seen) => seen.name === 'submit_review')
  if (submitted && !submitted.isError) return say('The review is submitted.')
  const source = lastRead(view.calls, SOURCE)
  const tests = lastRead(view.calls, TEST)
  if (!source || !tests) {
    return act(
      view.round === 1
        ? 'I will read the changed code, its tests and its promises.'
        : 'I will look at what was mended.',
      call('read', { file_path: SOURCE }),
      call('read', { file_path: TEST }),
      ...(view.round === 1 ? [call('read', { file_path: 'README.md' })] : []),
    )
  }
  return { blocks: [call('submit_review', judge(source, tests, openFindings(view)))] }
}

/** Ids of the findings that a later round has to judge. */
function openFindings(view: TurnView): readonly string[] {
  const found = view.texts[0]?.raw.matchAll(/^- id (\S+?),/gm) ?? []
  return [...found].map((match) => match[1] ?? '')
}

function judge(source: SeenCall, tests: SeenCall, open: readonly string[]): Readonly<Record<string, unknown>> {
  if (source.isError)
    return approve(`${SOURCE} could not be read; nothing speaks against the change that I can see.`, open)
  if (!holds(source, HALF_MENDED_LINE)) {
    const covered = holds(tests, 'splitBill(101, 3)')
    const summary = 'The shares add up to the bill and differ by at most a cent'
    return approve(covered ? `${summary}, and a test covers several extra cents.` : `${summary}.`, open)
  }
  const verdict = 'ISSUES_FOUND'
  const summary = 'The failing test passes, but a bill that leaves more than one cent over is split unfairly.'
  if (open.length > 0)
    return { verdict, summary, findings: [], earlier: open.map((id) => ({ id, state: 'still_open' })) }
  return { verdict, summary, findings: [unfairShare(source)] }
}

function unfairShare(source: SeenCall): Readonly<Record<string, unknown>> {
  return {
    severity: 'blocking',
    file: SOURCE,
    line: lineOf(source, HALF_MENDED_LINE),
    claim: 'All extra cents go to the first person, so shares can differ by more than one cent.',
    evidence:
      'The README promises that no two shares differ by more than one cent. `shares[0] += totalCents - share * people` adds the whole remainder, up to people - 1 cents, to one share. No test has a remainder above 1.',
    scenario: 'splitBill(101, 3) returns [35, 33, 33]; expected [34, 34, 33].',
  }
}

function approve(summary: string, open: readonly string[]): Readonly<Record<string, unknown>> {
  const earlier = open.map((id) => ({ id, state: 'fixed', evidence: `${SOURCE} as it is now` }))
  return { verdict: 'APPROVED', summary, findings: [], ...(open.length === 0 ? {} : { earlier }) }
}

function runTests(description: string) {
  return call('bash', { command: TEST_COMMAND, description })
}

function lastRun(calls: readonly SeenCall[]): SeenCall | undefined {
  const run = calls.findLast((seen) => seen.name === 'bash' && seen.input['command'] === TEST_COMMAND)
  const edit = calls.findLast(isEdit)
  // A run from before the last successful edit says nothing about the code as it is.
  return run && edit && !edit.isError && calls.indexOf(edit) > calls.indexOf(run) ? undefined : run
}

function lastRead(calls: readonly SeenCall[], path: string): SeenCall | undefined {
  return calls.findLast((seen) => seen.name === 'read' && String(seen.input['file_path']).endsWith(path))
}

/** Read before the last edit: what it showed is no longer what the file holds. */
function isStale(read: SeenCall, calls: readonly SeenCall[]): boolean {
  const edit = calls.findLast(isEdit)
  return edit !== undefined && calls.indexOf(edit) > calls.indexOf(read)
}

function countEdits(calls: readonly SeenCall[]): number {
  return calls.filter((seen) => isEdit(seen) && seen.input['file_path'] === SOURCE).length
}

function isEdit(seen: SeenCall): boolean {
  return seen.name === 'edit' || seen.name === 'write'
}

function holds(read: SeenCall, text: string): boolean {
  return read.result.includes(text)
}

/** Node's test runner counts failures in its last lines, whichever reporter it chose; else the exit code decides. */
function passed(run: SeenCall): boolean {
  if (run.isError) return false
  const failures = /^\W*fail (\d+)\s*$/m.exec(run.result)?.[1]
  if (failures !== undefined) return failures === '0'
  return !/exit(ed)?( with)?( code)?:? [1-9]/i.test(run.result)
}

function failingTest(run: SeenCall): string | undefined {
  return /^\s*(?:not ok \d+ - |✖ )(.+?)(?: \([\d.]+m?s\))?\s*$/m.exec(run.result)?.[1]
}

/** The read tool numbers its lines; without a number the line is counted. */
function lineOf(read: SeenCall, text: string): number {
  const lines = read.result.split('\n')
  const index = lines.findIndex((line) => line.includes(text))
  const numbered = /^\s*(\d+)\D/.exec(lines[index] ?? '')?.[1]
  return numbered === undefined ? index + 1 : Number(numbered)
}
