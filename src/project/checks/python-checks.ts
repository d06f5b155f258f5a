import { aCheck, byProgram, type CheckCommand, type DetectedCheck, type Detector } from './candidate.ts'

const SETTINGS = [
  'pyproject.toml',
  'setup.cfg',
  'tox.ini',
  'pytest.ini',
  'requirements.txt',
  'requirements-dev.txt',
  'requirements-test.txt',
  'requirements_dev.txt',
  'requirements_test.txt',
  'dev-requirements.txt',
  'test-requirements.txt',
  'Pipfile',
]

/** pytest, tox, nox, Django or unittest; ruff or flake8, mypy or pyright; in the project's own environment where it has one. */
export const pythonChecks: Detector = ({ texts, names, paths }) => {
  const settings = SETTINGS.map((name) => texts.get(name) ?? '').join('\n')
  const isPython = settings.trim() !== '' || names.has('setup.py')
  const checks: DetectedCheck[] = []
  const add = (name: string, [best, ...fallbacks]: readonly CheckCommand[]) => {
    if (best !== undefined) checks.push(aCheck(name, best, ...fallbacks))
  }
  const hasTests = paths.some((path) => /(?:^|\/)(?:test_[^/]*|[^/]*_test|tests)\.py$/.test(path))
  const isPytest =
    /\bpytest\b/.test(settings) ||
    names.has('pytest.ini') ||
    paths.some((path) => /^(?:tests?\/)?conftest\.py$/.test(path))
  if (isPytest || names.has('conftest.py')) add('test', asModule(names, 'pytest', 'pytest -q'))
  else if (texts.has('tox.ini') || settings.includes('[tool.tox')) add('test', asModule(names, 'tox', 'tox -q'))
  else if (names.has('noxfile.py')) add('test', asModule(names, 'nox', 'nox'))
  else if (names.has('manage.py')) add('test', byPython(names, 'manage.py test', 'django'))
  else if (hasTests) add('test', withoutSettings(names, paths))
  const lints: readonly (readonly [command: string, isConfigured: boolean])[] = [
    ['ruff check .', settings.includes('[tool.ruff') || names.has('ruff.toml') || names.has('.ruff.toml')],
    ['flake8', settings.includes('[flake8]') || names.has('.flake8')],
  ]
  const types: readonly (readonly [command: string, isConfigured: boolean])[] = [
    ['mypy .', settings.includes('[tool.mypy') || settings.includes('[mypy]') || names.has('mypy.ini')],
    ['pyright', settings.includes('[tool.pyright') || names.has('pyrightconfig.json')],
  ]
  for (const [name, commands] of [['lint', lints] as const, ['typecheck', types] as const]) {
    const [command] = commands.find(([, isConfigured]) => isConfigured) ?? []
    if (isPython && command !== undefined) add(name, asProgram(names, command))
  }
  const hasTest = checks.some(({ name }) => name === 'test')
  const isNone = !isPython || hasTest
  return {
    checks,
    leftOut: isNone ? [] : [{ name: 'test', reason: 'no tests are configured, and no test_*.py was found' }],
  }
}

const MAX_ASKED_FILES = 20

/**
 * unittest, or pytest where it is installed beside the project and a test file is written for it: unittest finds no test in
 * functions. The sandbox is asked, since only names are known here.
 */
function withoutSettings(names: ReadonlySet<string>, paths: readonly string[]): CheckCommand[] {
  const unittest = asModule(names, 'unittest', `unittest discover${unittestStart(paths)}`)
  const files = paths.filter((path) => PYTEST_FILE.test(path) && /^[\w./-]+$/.test(path)).slice(0, MAX_ASKED_FILES)
  const isManaged = environmentOf(names) === undefined && MANAGERS.some(([lock]) => names.has(lock))
  if (files.length === 0 || isManaged) return unittest
  const [pytest] = asModule(names, 'pytest', 'pytest -q')
  if (pytest === undefined) return unittest
  const isFor = `{ ${pytest.probe} && grep -qsE '^(async )?def test_|^(import|from) pytest' ${files.join(' ')}; }`
  const others = unittest.map((way) => ({ ...way, probe: `${way.probe} && ! ${isFor}` }))
  return [...others, { ...pytest, probe: isFor }]
}

const PYTEST_FILE = /(?:^|\/)(?:test_[^/]*|[^/]*_test)\.py$/

function environmentOf(names: ReadonlySet<string>): string | undefined {
  return ['.venv', 'venv'].find((name) => names.has(name))
}

/** A program of the environment beside the project, else on the PATH. */
function asProgram(names: ReadonlySet<string>, command: string): CheckCommand[] {
  const environment = environmentOf(names)
  const name = command.split(' ')[0] ?? ''
  const program = `${environment}/bin/${name}`
  const own = { command: `${environment}/bin/${command}`, probe: `[ -x ${program} ]`, needs: program }
  return [...(environment === undefined ? [] : [own]), byProgram(name, command)]
}

function asModule(names: ReadonlySet<string>, module: string, rest: string): CheckCommand[] {
  return byPython(names, `-m ${rest}`, module)
}

/** Managers that keep the environment elsewhere. */
const MANAGERS: readonly (readonly [lock: string, program: string, run: string])[] = [
  ['uv.lock', 'uv', 'uv run --frozen'],
  ['poetry.lock', 'poetry', 'poetry run'],
  ['pdm.lock', 'pdm', 'pdm run'],
  ['Pipfile.lock', 'pipenv', 'pipenv run'],
]

/** `python …`: of the environment beside the project, of the one its manager keeps, else of the system. */
function byPython(names: ReadonlySet<string>, rest: string, module: string): CheckCommand[] {
  const environment = environmentOf(names)
  const by = (python: string): CheckCommand => ({
    command: `${python} ${rest}`,
    probe: `${python} -c "import ${module}"`,
    needs: module === 'unittest' ? 'python3' : module,
  })
  const managed = environment === undefined ? MANAGERS.filter(([lock]) => names.has(lock)) : []
  return [
    ...(environment === undefined ? [] : [by(`${environment}/bin/python`)]),
    ...managed.map(([, program, run]) => byProgram(program, `${run} python ${rest}`)),
    by('python3'),
  ]
}

/** unittest finds tests below its start directory only through packages: a `tests` without `__init__.py` is named. */
function unittestStart(paths: readonly string[]): string {
  const directory = ['tests', 'test'].find((name) =>
    paths.some((path) => path.startsWith(`${name}/`) && /test[^/]*\.py$/.test(path)),
  )
  return directory === undefined || paths.includes(`${directory}/__init__.py`) ? '' : ` -s ${directory} -t .`
}
