import { existsSync, readFileSync } from 'node:fs'

/**
 * @typedef {object} TestRecord
 * @property {string} file relative to the checkout
 * @property {string} name
 * @property {'passed' | 'failed' | 'skipped'} state
 * @property {string} [note] why it was skipped
 */

/**
 * @param {string} file
 * @returns {TestRecord[]} empty when the run ended before its end
 */
export function readTestResult(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
}

/**
 * @param {readonly TestRecord[]} tests
 * @returns {string} `N passed, N failed, N skipped`
 */
export function closingLine(tests) {
  const count = (/** @type {TestRecord['state']} */ state) => tests.filter((test) => test.state === state).length
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
}

/**
 * Where the time of a run went, for whoever keeps it short: each project's files taken together, and the ten longest files.
 *
 * @param {readonly { file: string, project: string, durationMs: number }[]} files
 * @returns {string[]} lines
 */
export function whereTimeWent(files) {
  const projects = [...new Set(files.map(({ project }) => project))].map((project) => {
    const own = files.filter((one) => one.project === project)
    const durationMs = own.reduce((sum, one) => sum + one.durationMs, 0)
    return `  ${seconds(durationMs)}  ${project}, ${own.length} files`
  })
  const longest = files.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, 10)
  return [
    'Time of the files, those of a project taken together:',
    ...projects,
    'The longest:',
    ...longest.map(({ file, durationMs }) => `  ${seconds(durationMs)}  ${file}`),
  ]
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`.padStart(9)
}

/**
 * The skipped tests that must not be skipped on a Linux machine which is meant to prove the software: those of the
 * sandbox always, the others unless their reason begins with "this machine cannot".
 *
 * @param {readonly TestRecord[]} tests
 * @returns {TestRecord[]}
 */
export function unexcusedSkips(tests) {
  return tests.filter((test) => test.state === 'skipped' && (isSandboxTest(test) || !isExcused(test)))
}

/** @param {TestRecord} test */
function isSandboxTest(test) {
  return /sandbox|bwrap/i.test(test.file)
}

/** @param {TestRecord} test */
function isExcused(test) {
  return test.note?.toLowerCase().startsWith('this machine cannot') === true
}
