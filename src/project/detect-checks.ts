import { type LeftOutCheck, MAX_CHECKS } from '../shared/review.ts'
import type { CheckCommand, Detected, DetectedCheck, Detector } from './checks/candidate.ts'
import { moreChecks } from './checks/more-checks.ts'
import { nodeChecks } from './checks/node-checks.ts'
import { goChecks, javaChecks, phpChecks, rubyChecks, rustChecks } from './checks/other-checks.ts'
import { pythonChecks } from './checks/python-checks.ts'
import { runnerChecks } from './checks/runner-checks.ts'
import { type PackageFiles, type ProjectFiles, rootPackage } from './project-files.ts'

const LANGUAGES: readonly (readonly [language: string, detect: Detector])[] = [
  ['node', nodeChecks],
  ['python', pythonChecks],
  ['go', goChecks],
  ['rust', rustChecks],
  ['ruby', rubyChecks],
  ['php', phpChecks],
  ['java', javaChecks],
  ['more', moreChecks],
]
/** Where nothing says which packages a change concerns, only so many are checked. */
const MAX_UNTOUCHED_PACKAGES = 5
const MAX_NAME_CHARS = 64

/**
 * The checks that a project's own files name: of its root, and of the packages below it. With `touched` (paths of changed
 * files) only those of the packages that these lie in, or, where these and the root have none, of up to five others. Targets
 * of make, just and task count where a package has nothing else, and their tests where it has no other. Names are unique and at most 64 characters; at most 20 checks. What the
 * files name and cannot be run is in `leftOut` with its reason. Whether programs are installed is asked by
 * `detectProjectChecks`. Pure.
 */
export function detectChecks(files: ProjectFiles, touched?: readonly string[]): Detected {
  const root = rootPackage(files)
  const chosen = touched === undefined ? files.packages : touchedPackages(files.packages, touched)
  const found = [root, ...chosen].map((own) => ofPackage(own, root))
  if (touched !== undefined && found.every(({ checks }) => checks.length === 0)) {
    const others = files.packages.filter((own) => !chosen.includes(own)).slice(0, MAX_UNTOUCHED_PACKAGES)
    found.push(...others.map((own) => ofPackage(own, root)))
  }
  const tooLarge = files.tooLarge.map((path) => ({
    name: nameIn('checks', path.slice(0, Math.max(0, path.lastIndexOf('/')))),
    reason: `${path} is larger than 2 MiB and was not read`,
  }))
  const checks = found.flatMap((part) => part.checks)
  const over = checks.slice(MAX_CHECKS).map(({ name, command }) => ({
    name,
    command,
    reason: `only ${MAX_CHECKS} checks of a project are run`,
  }))
  // A package without a test of its own says nothing where another one has them.
  const leftOut = found.flatMap((part) => part.leftOut).filter((entry) => entry.command !== undefined || !checks.length)
  return {
    checks: unique(checks.slice(0, MAX_CHECKS)),
    leftOut: [...tooLarge, ...leftOut, ...over].slice(0, MAX_CHECKS),
  }
}

/** The innermost package of each changed file. */
function touchedPackages(packages: readonly PackageFiles[], touched: readonly string[]): PackageFiles[] {
  const chosen = new Set<PackageFiles>()
  const inward = [...packages].sort((a, b) => b.directory.length - a.directory.length)
  for (const path of touched) {
    const nearest = inward.find(({ directory }) => path.startsWith(`${directory}/`))
    if (nearest !== undefined) chosen.add(nearest)
    if (chosen.size === packages.length) break
  }
  return packages.filter((own) => chosen.has(own))
}

function ofPackage(own: PackageFiles, root: PackageFiles): Detected {
  const checks = new Map<string, DetectedCheck>()
  const leftOut: LeftOutCheck[] = []
  const add = (language: string, part: Detected) => {
    for (const check of part.checks) {
      const name = checks.has(check.name) ? `${check.name} (${language})` : check.name
      checks.set(name, { ...check, name })
    }
    leftOut.push(...part.leftOut)
  }
  for (const [language, detect] of LANGUAGES) add(language, detect(own, root))
  const runner = runnerChecks(own)
  const hasTest = [...checks.keys()].some((name) => name.startsWith('test'))
  if (checks.size === 0) add('runner', runner)
  else if (!hasTest) add('runner', { checks: runner.checks.filter(({ name }) => name === 'test'), leftOut: [] })
  if (own.directory === '') return { checks: [...checks.values()], leftOut }
  // A name with a control character is nothing that a command line should hold.
  if (/\p{Cc}/u.test(own.directory)) return { checks: [], leftOut: [] }
  return {
    checks: [...checks.values()].map((check) => inDirectory(check, own.directory)),
    leftOut: leftOut.map((entry) => ({ ...entry, name: nameIn(entry.name, own.directory) })),
  }
}

function inDirectory(check: DetectedCheck, directory: string): DetectedCheck {
  const cd = `cd ${quote(directory)} && `
  const inside = ({ command, probe, needs }: CheckCommand): CheckCommand => ({
    command: `${cd}${command}`,
    probe: `(${cd}${probe})`,
    needs,
  })
  return { name: nameIn(check.name, directory), ...inside(check), fallbacks: check.fallbacks.map(inside) }
}

function quote(path: string): string {
  return /^[\w./-]+$/.test(path) && !path.startsWith('-') ? path : `'./${path.replaceAll("'", `'\\''`)}'`
}

/** `test (frontend)`; of a long path the end. */
function nameIn(name: string, directory: string): string {
  if (directory === '') return name
  const room = MAX_NAME_CHARS - name.length - 3
  const shown = directory.length <= room ? directory : `…${directory.slice(1 - room).replace(/^\p{Surrogate}/u, '')}`
  return `${name} (${shown})`
}

function unique(checks: readonly DetectedCheck[]): DetectedCheck[] {
  const names = new Set<string>()
  return checks.map((check) => {
    let name = check.name
    for (let count = 2; names.has(name); count++) name = `${check.name.slice(0, MAX_NAME_CHARS - 4)} ${count}`
    names.add(name)
    return { ...check, name }
  })
}
