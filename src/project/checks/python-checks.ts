import { aCheck, byProgram, type CheckCommand, type DetectedCheck, type Detector } from './candidate.ts'

const SETTINGS = [
  'pyproject.toml',
  'setup.cfg',
  'tox.ini',
  'pytest.ini',
  'requirements.txt',
  'requirements-dev.txt',
  'Pipfile',
]

/** pytest, tox or unittest, ruff and mypy, in the project's own environment where it has one. */
export const pythonChecks: Detector = ({ texts, names, paths }) => {
  const settings = SETTINGS.map((name) => texts.get(name) ?? '').join('\n')
  const isPython = settings.trim() !== '' || names.has('setup.py')
  const checks: DetectedCheck[] = []
  const add = (name: string, [best, ...fallbacks]: readonly CheckCommand[]) => {
    if (best !== undefined) checks.push(aCheck(name, best, ...fallbacks))
  }
  const hasTests = paths.some((path) => /(?:^|\/)(?:test_[^/]*|[^/]*_test)\.py$/.test(path))
  if (/\bpytest\b/.test(settings) || names.has('conftest.py') || names.has('pytest.ini')) {
    add('test', asModule(names, 'pytest', 'pytest -q'))
  } else if (texts.has('tox.ini')) add('test', asModule(names, 'tox', 'tox -q'))
  else if (hasTests) add('test', asModule(names, 'unittest', `unittest discover${unittestStart(paths)}`))
  if (isPython && settings.includes('[tool.ruff')) {
    add('lint', [...inEnvironment(names, 'ruff check .'), byProgram('ruff', 'ruff check .')])
  }
  if (isPython && (settings.includes('[tool.mypy') || settings.includes('[mypy]'))) {
    add('typecheck', [...inEnvironment(names, 'mypy .'), byProgram('mypy', 'mypy .')])
  }
  return { checks, leftOut: [] }
}

function environmentOf(names: ReadonlySet<string>): string | undefined {
  return ['.venv', 'venv'].find((name) => names.has(name))
}

function inEnvironment(names: ReadonlySet<string>, command: string): CheckCommand[] {
  const environment = environmentOf(names)
  if (environment === undefined) return []
  const program = `${environment}/bin/${command.split(' ')[0] ?? ''}`
  return [{ command: `${environment}/bin/${command}`, probe: `[ -x ${program} ]`, needs: program }]
}

/** `python -m …`: of the environment beside the project, of the one its manager keeps, else of the system. */
function asModule(names: ReadonlySet<string>, module: string, rest: string): CheckCommand[] {
  const environment = environmentOf(names)
  const by = (python: string): CheckCommand => ({
    command: `${python} -m ${rest}`,
    probe: `${python} -c "import ${module}"`,
    needs: module === 'unittest' ? 'python3' : module,
  })
  return [
    ...(environment === undefined ? [] : [by(`${environment}/bin/python`)]),
    ...(names.has('uv.lock') && environment === undefined
      ? [byProgram('uv', `uv run --frozen python -m ${rest}`)]
      : []),
    ...(names.has('poetry.lock') && environment === undefined
      ? [byProgram('poetry', `poetry run python -m ${rest}`)]
      : []),
    ...(names.has('pdm.lock') && environment === undefined ? [byProgram('pdm', `pdm run python -m ${rest}`)] : []),
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
