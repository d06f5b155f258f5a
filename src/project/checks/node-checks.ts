import type { LeftOutCheck } from '../../shared/review.ts'
import { type PackageJson, packageManagerOf, parsePackageJson } from '../extractors/node.ts'
import { alwaysPasses } from './always-passes.ts'
import { aCheck, byProgram, type DetectedCheck, type Detector, NOTHING } from './candidate.ts'
import { neverEnds } from './endless.ts'

/** Script names by what they check, the best one first. */
const SCRIPTS: readonly (readonly [name: string, candidates: readonly string[]])[] = [
  ['test', ['test', 'test:ci', 'test:run', 'test:unit', 'unit']],
  ['lint', ['lint', 'lint:ci', 'eslint']],
  ['typecheck', ['typecheck', 'type-check', 'check-types', 'check:types', 'types:check', 'type:check', 'types', 'tsc']],
]
const NPM_DEFAULT_TEST = /no test specified/
/** A project with none of those may have its tests under further names: all of them are run, up to so many. */
const OTHER_TEST = /^(?:tests?|specs?|jest|vitest|mocha|ava|verify)(?:[:._-].*)?$/
const NO_TEST = /watch|e2e|debug|update|snapshot|inspect|(?:^|\W)(?:ui|dev|open|fix|browser)(?:$|\W)/i
const MAX_OTHER_TESTS = 4
/** It ends well and has run nothing. */
const RUNS_NOTHING = /^(?:\s*(?:echo\b[^&|;]*|true|:|exit 0)\s*(?:&&|;|$))+$/
/** The root's script runs those of the packages below it, */
const RUNS_ALL =
  /--workspaces\b|\s-ws\b|\s-r\b|--recursive\b|\b(?:turbo|nx|lerna|lage|rush)\b|workspaces (?:foreach|run)\b/
/** unless it names some of them. */
const RUNS_SOME = /--(?:filter|scope|ignore|exclude|projects?|since|affected|include|from|only)\b|\s-F\b|\baffected\b/

/** The scripts of package.json that check something, run by the package manager that the project uses. */
export const nodeChecks: Detector = (files, root) => {
  const text = files.texts.get('package.json')
  if (text === undefined) return NOTHING
  const json = parsePackageJson(text)
  if (json === null) return { checks: [], leftOut: [{ name: 'test', reason: 'package.json is not valid JSON' }] }
  const manager = managerOf(json, files.names, root)
  const rootScripts = files === root ? {} : (parsePackageJson(root.texts.get('package.json'))?.scripts ?? {})
  const checks: DetectedCheck[] = []
  const leftOut: LeftOutCheck[] = []
  const scripts = json.scripts ?? {}
  const why = (script: string): string | null => {
    const command = scripts[script]
    if (typeof command !== 'string' || command.trim() === '') return ''
    if (NPM_DEFAULT_TEST.test(command)) return 'package.json holds only the placeholder that npm writes'
    if (RUNS_NOTHING.test(command)) return 'its script is a placeholder that runs nothing'
    if (alwaysPasses(command)) return 'its script ends well whatever the files are, so it proves nothing'
    return neverEnds(command, scripts) ? 'it watches for changes and never ends' : null
  }
  for (const [name, candidates] of SCRIPTS) {
    if (candidates.some((script) => runsAll(rootScripts[script]))) continue
    const usable = candidates.find((script) => why(script) === null)
    if (usable !== undefined) checks.push(scriptCheck(name, usable, manager))
    else {
      const others = name === 'test' ? otherTests(scripts).filter((script) => why(script) === null) : []
      const named = candidates.find((script) => why(script) !== '')
      checks.push(...others.map((script) => scriptCheck(script, script, manager)))
      if (others.length > 0) continue
      if (named !== undefined) leftOut.push(leftOutScript(name, named, manager, why(named) ?? ''))
      else if (name === 'test') leftOut.push({ name, reason: 'package.json has no test script' })
    }
  }
  // `check` often runs the others too; it counts only where it stands alone, and a build only where nothing else does.
  for (const name of ['check', 'build']) {
    if (checks.length === 0 && why(name) === null) checks.push(scriptCheck(name, name, manager))
  }
  return { checks, leftOut }
}

function runsAll(script: unknown): boolean {
  return typeof script === 'string' && RUNS_ALL.test(script) && !RUNS_SOME.test(script)
}

function otherTests(scripts: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(scripts).filter((name) => OTHER_TEST.test(name) && !NO_TEST.test(name) && name.length <= 64)
  return names.slice(0, MAX_OTHER_TESTS)
}

function leftOutScript(name: string, script: string, manager: string, reason: string): LeftOutCheck {
  // A placeholder is no check that could have been run.
  return reason.includes('placeholder') ? { name, reason } : { name, command: commandOf(script, manager), reason }
}

/** A package of a workspace is run by the workspace's manager. */
function managerOf(json: PackageJson, names: ReadonlySet<string>, root: { names: ReadonlySet<string> }): string {
  const own = packageManagerOf(json, names)
  return own === 'npm' && !names.has('package-lock.json') ? packageManagerOf(json, root.names) : own
}

function scriptCheck(name: string, script: string, manager: string): DetectedCheck {
  const own = byProgram(manager, commandOf(script, manager))
  // npm runs the scripts of every package manager's project, once the dependencies are there.
  return manager === 'npm' ? aCheck(name, own) : aCheck(name, own, byProgram('npm', commandOf(script, 'npm')))
}

function commandOf(script: string, manager: string): string {
  const plain = /^[\w:.-]+$/.test(script) ? script : `'${script.replaceAll("'", `'\\''`)}'`
  return manager === 'npm' && script === 'test' ? 'npm test' : `${manager} run ${plain}`
}
