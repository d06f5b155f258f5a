import { requiredModules } from '../context/extractors/go.ts'
import { makeTargets } from '../context/extractors/make.ts'
import { parsePackageJson } from '../context/extractors/node.ts'
import { cargoDependencies } from '../context/extractors/rust.ts'
import type { ProjectFiles } from '../context/project-files.ts'
import type { Check } from '../shared/review.ts'

export interface DetectedCheck extends Check {
  /** A shell test that is true where the check's program is installed. */
  readonly probe: string
}

/**
 * The checks that a project's own files name and that can run without network: package.json scripts, then Python, Go,
 * Rust, then Make targets for what is still missing. Names are unique. Whether the programs are installed is asked by
 * `availableChecks`.
 */
export function detectChecks(files: ProjectFiles): DetectedCheck[] {
  const byName = new Map<string, DetectedCheck>()
  const add = (language: string, checks: readonly DetectedCheck[]) => {
    for (const check of checks) {
      const name = byName.has(check.name) ? `${check.name} (${language})` : check.name
      byName.set(name, { ...check, name })
    }
  }
  add('node', nodeChecks(files))
  add('python', pythonChecks(files))
  add('go', goChecks(files))
  add('rust', rustChecks(files))
  if (byName.size === 0) add('make', makeChecks(files))
  return [...byName.values()]
}

const SCRIPTS: readonly (readonly [name: string, candidates: readonly string[]])[] = [
  ['test', ['test']],
  ['lint', ['lint']],
  ['typecheck', ['typecheck', 'type-check', 'check-types', 'check:types', 'types', 'tsc']],
]
const NPM_DEFAULT_TEST = /no test specified/
// Installs, downloads, asks, watches or serves; pnpm, yarn and bun are not in the sandbox.
const NOT_OFFLINE =
  /(?:^|[\s;&|(])(?:npm (?:i|ci|install|exec)|npx(?! --no)|pnpm|yarn|bunx?|curl|wget|docker|podman|nodemon|serve)(?:$|[\s;&|)])|--watch\b|\bplaywright\b|\bcypress\b/
/** Programs that need nothing in node_modules. */
const STANDALONE = /^(?:[A-Z_]+=\S+ )*(?:node|sh|bash|make|npm run|npm test|echo)\b/

function nodeChecks({ texts, rootNames }: ProjectFiles): DetectedCheck[] {
  const json = parsePackageJson(texts.get('package.json'))
  if (json === null) return []
  const scripts = json.scripts ?? {}
  const needsInstall =
    !rootNames.has('node_modules') && Object.keys({ ...json.dependencies, ...json.devDependencies }).length > 0
  const isUsable = (name: string): boolean => {
    const script = scripts[name]
    if (typeof script !== 'string' || script.trim() === '' || NOT_OFFLINE.test(script)) return false
    if (name === 'test' && NPM_DEFAULT_TEST.test(script)) return false
    return !needsInstall || STANDALONE.test(script)
  }
  const checks = SCRIPTS.flatMap(([name, candidates]) => {
    const script = candidates.find(isUsable)
    return script === undefined ? [] : [npmCheck(name, script)]
  })
  // `check` often runs the others too; it counts only where it stands alone, and a build only where nothing else does.
  if (checks.length === 0 && isUsable('check')) return [npmCheck('check', 'check')]
  if (checks.length === 0 && isUsable('build')) return [npmCheck('build', 'build')]
  return checks
}

function npmCheck(name: string, script: string): DetectedCheck {
  return { name, command: script === 'test' ? 'npm test' : `npm run ${script}`, probe: 'command -v npm' }
}

function pythonChecks({ texts, rootNames, tree }: ProjectFiles): DetectedCheck[] {
  const settings = ['pyproject.toml', 'setup.cfg', 'tox.ini', 'pytest.ini', 'requirements.txt', 'requirements-dev.txt']
    .map((name) => texts.get(name) ?? '')
    .join('\n')
  const hasTests = tree.some((entry) => entry.kind === 'file' && /^(?:test_.*|.*_test)\.py$/.test(entry.name))
  const isPython = settings.trim() !== '' || rootNames.has('setup.py')
  const checks: DetectedCheck[] = []
  if (/\bpytest\b/.test(settings) || rootNames.has('conftest.py')) {
    checks.push({ name: 'test', command: 'python3 -m pytest -q', probe: 'python3 -c "import pytest"' })
  } else if (hasTests) {
    checks.push({
      name: 'test',
      command: `python3 -m unittest discover${unittestStart(files(tree))}`,
      probe: 'command -v python3',
    })
  }
  if (isPython && settings.includes('[tool.ruff')) {
    checks.push({ name: 'lint', command: 'ruff check .', probe: 'command -v ruff' })
  }
  if (isPython && (settings.includes('[tool.mypy') || settings.includes('[mypy]'))) {
    checks.push({ name: 'typecheck', command: 'mypy .', probe: 'command -v mypy' })
  }
  return checks
}

function files(tree: ProjectFiles['tree']): string[] {
  return tree.filter((entry) => entry.kind === 'file').map((entry) => entry.path)
}

/** unittest finds tests below its start directory only through packages: a `tests` without `__init__.py` is named. */
function unittestStart(paths: readonly string[]): string {
  const directory = ['tests', 'test'].find((name) =>
    paths.some((path) => path.startsWith(`${name}/`) && /test.*\.py$/.test(path)),
  )
  return directory === undefined || paths.includes(`${directory}/__init__.py`) ? '' : ` -s ${directory} -t .`
}

function goChecks({ texts, rootNames }: ProjectFiles): DetectedCheck[] {
  const mod = texts.get('go.mod')
  if (mod === undefined || (requiredModules(mod) > 0 && !rootNames.has('vendor'))) return []
  const probe = 'command -v go'
  return [
    { name: 'test', command: 'GOPROXY=off GOFLAGS=-buildvcs=false go test ./...', probe },
    { name: 'lint', command: 'GOPROXY=off go vet ./...', probe },
  ]
}

function rustChecks({ texts, rootNames }: ProjectFiles): DetectedCheck[] {
  const cargo = texts.get('Cargo.toml')
  if (cargo === undefined || (cargoDependencies(cargo).length > 0 && !rootNames.has('vendor'))) return []
  return [{ name: 'test', command: 'cargo test --offline', probe: 'command -v cargo' }]
}

function makeChecks({ texts }: ProjectFiles): DetectedCheck[] {
  const targets = makeTargets(texts.get('Makefile') ?? texts.get('makefile') ?? '')
  return ['test', 'lint', 'check']
    .filter((name) => targets.includes(name))
    .map((name) => ({ name, command: `make ${name}`, probe: 'command -v make' }))
}
