import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { ROOT } from './paths.mjs'
import { whereTimeWent } from './test-result.mjs'

/** Vitest reporter that writes what `test.mjs` reads: one line of JSON per test, with the reason of each skip. */
export default class ResultFileReporter {
  /** @param {readonly import('vitest/node').TestModule[]} modules */
  onTestRunEnd(modules) {
    const file = process.env['KEELSON_TEST_RESULT']
    if (file === undefined) return
    const tests = modules.flatMap((module) => [...module.children.allTests()].map((test) => recordOf(module, test)))
    const broken = modules
      .filter((module) => !module.ok() && module.children.size === 0)
      .map((module) => ({ file: relative(ROOT, module.moduleId), name: '(the file itself)', state: 'failed' }))
    writeFileSync(file, JSON.stringify([...tests, ...broken]))
    if (modules.length >= MANY_FILES) process.stdout.write(`${whereTimeWent(modules.map(timeOf)).join('\n')}\n`)
  }
}

/** From so many files on, a run says where its time went. */
const MANY_FILES = 50

/** @param {import('vitest/node').TestModule} module */
function timeOf(module) {
  const { prepareDuration, collectDuration, setupDuration, environmentSetupDuration, duration } = module.diagnostic()
  const durationMs = prepareDuration + collectDuration + setupDuration + environmentSetupDuration + duration
  return { file: relative(ROOT, module.moduleId), project: module.project.name, durationMs }
}

/**
 * @param {import('vitest/node').TestModule} module
 * @param {import('vitest/node').TestCase} test
 * @returns {import('./test-result.mjs').TestRecord}
 */
function recordOf(module, test) {
  const result = test.result()
  const note = result.state === 'skipped' ? result.note : undefined
  return {
    file: relative(ROOT, module.moduleId),
    name: test.fullName,
    // A test without an end, after a crash of its process, counts as failed.
    state: result.state === 'pending' ? 'failed' : result.state,
    ...(note === undefined ? {} : { note }),
  }
}
