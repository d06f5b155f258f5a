import { describe, expect, test } from 'vitest'
import { detectChecks } from '../../../src/project/detect-checks.ts'
import { PACKAGE_SIGNS } from '../../../src/project/input-files.ts'
import type { ProjectFiles } from '../../../src/project/project-files.ts'

/** A project with these files; a text of null is a directory. Each directory with a file in it is a package. */
function aProject(given: Record<string, string | null>): ProjectFiles {
  const names = Object.keys(given)
  const inDirectory = (directory: string) => {
    const inside = names.filter((path) => path.slice(0, Math.max(0, path.lastIndexOf('/'))) === directory)
    const named = inside.map((path) => [path.slice(path.lastIndexOf('/') + 1), given[path] ?? null] as const)
    return {
      directory,
      names: new Set(named.map(([name]) => name)),
      texts: new Map(named.filter((entry): entry is [string, string] => entry[1] !== null)),
      paths: directory === '' ? names : inside.map((path) => path.slice(directory.length + 1)),
    }
  }
  const directories = [
    ...new Set(names.filter((path) => path.includes('/')).map((path) => path.slice(0, path.lastIndexOf('/')))),
  ]
  return {
    rootNames: inDirectory('').names,
    tree: names.map((path) => ({
      path,
      name: path.split('/').at(-1) ?? path,
      kind: given[path] === null ? 'directory' : 'file',
      sizeBytes: 0,
    })),
    treeTruncated: false,
    texts: inDirectory('').texts,
    tooLarge: [],
    rules: [],
    packages: directories
      .sort()
      .map(inDirectory)
      .filter(({ names: own }) => [...own].some((name) => PACKAGE_SIGNS.has(name))),
  }
}

const commands = (given: Record<string, string | null>, touched?: readonly string[]) =>
  Object.fromEntries(detectChecks(aProject(given), touched).checks.map(({ name, command }) => [name, command]))
const leftOut = (given: Record<string, string | null>) => detectChecks(aProject(given)).leftOut

const packageJson = (scripts: Record<string, unknown>, more: object = {}) => ({
  'package.json': JSON.stringify({ scripts, ...more }),
})
const installed = { node_modules: null }

describe('package.json', () => {
  test('test, lint and typecheck scripts are checks', () => {
    const scripts = { test: 'node --test', lint: 'oxlint', 'check:types': 'tsc --noEmit', build: 'tsc', dev: 'vite' }
    expect(commands({ ...packageJson(scripts, { devDependencies: { typescript: '6' } }), ...installed })).toEqual({
      test: 'npm test',
      lint: 'npm run lint',
      typecheck: 'npm run check:types',
    })
  })

  test.each([
    ['npm’s default', { test: 'echo "Error: no test specified" && exit 1' }, /placeholder/],
    ['a script that watches', { test: 'vitest --watch' }, /never ends/],
    ['a compiler that watches', { test: 'tsc -w' }, /never ends/],
    ['a call of a script that watches', { test: 'npm run dev', dev: 'nodemon t.js' }, /never ends/],
    ['an empty script', { test: '  ' }, /no test script/],
    ['a script that is no text', { test: 5 }, /no test script/],
  ])('%s is left out with its reason', (_what, scripts, reason) => {
    const given = { ...packageJson(scripts), ...installed }
    expect(commands(given)).toEqual({})
    expect(leftOut(given)).toEqual([expect.objectContaining({ name: 'test', reason: expect.stringMatching(reason) })])
  })

  test.each([
    'node t.js --watch=false',
    'node t.js --watch false',
    'jest --no-watch',
    'npx tsc',
    'npx jest',
    'npm ci && eslint .',
    'pnpm run unit',
    'echo "no --watch here" && node t.js',
    'serve-check && curl-like',
    'yarn test:all',
  ])('%s is run: no word alone drops a check', (test_) => {
    expect(commands({ ...packageJson({ test: test_ }) })).toEqual({ test: 'npm test' })
    expect(leftOut({ ...packageJson({ test: test_ }) })).toEqual([])
  })

  test('a script that watches has a stand-in where the project names one', () => {
    expect(commands({ ...packageJson({ test: 'jest --watch', 'test:ci': 'jest' }) })).toEqual({
      test: 'npm run test:ci',
    })
  })

  test.each([
    ['pnpm-lock.yaml', 'pnpm run test'],
    ['yarn.lock', 'yarn run test'],
    ['bun.lock', 'bun run test'],
    ['package-lock.json', 'npm test'],
  ])('%s says which package manager runs the scripts, npm stands in', (lock, command) => {
    const { checks } = detectChecks(aProject({ ...packageJson({ test: 'node t.js' }), [lock]: '' }))
    const stand = lock === 'package-lock.json' ? [] : [expect.objectContaining({ command: 'npm test' })]
    expect(checks).toEqual([expect.objectContaining({ name: 'test', command, fallbacks: stand })])
  })

  test('a hundred scripts that call each other are looked at once each', () => {
    const names = Array.from({ length: 100 }, (_, index) => `s${index}`)
    const scripts = Object.fromEntries(
      names.map((name) => [name, names.map((other) => `npm run ${other}`).join(' && ')]),
    )
    expect(commands({ ...packageJson({ ...scripts, test: 'npm run s0' }) })).toEqual({ test: 'npm test' })
  })

  test('check, and failing that build, counts where nothing else does', () => {
    expect(commands(packageJson({ check: 'make all', build: 'make' }))).toEqual({ check: 'npm run check' })
    expect(commands(packageJson({ build: 'node build.js' }))).toEqual({ build: 'npm run build' })
    expect(commands(packageJson({ test: 'node --test', check: 'npm test' }))).toEqual({ test: 'npm test' })
  })

  test.each(['not json', '[]', 'null', '{"scripts":[]}', '{"scripts":null}'])(
    '%s gives none, says so and does not throw',
    (text) => {
      expect([commands({ 'package.json': text }), leftOut({ 'package.json': text })]).toEqual([
        {},
        [{ name: 'test', reason: expect.stringMatching(/not valid JSON|no test script/) }],
      ])
    },
  )
})

describe('other languages', () => {
  test('Python: pytest, ruff and mypy where they are configured', () => {
    const pyproject = '[project]\nname = "x"\n[tool.pytest.ini_options]\n[tool.ruff]\n[tool.mypy]\n'
    expect(commands({ 'pyproject.toml': pyproject })).toEqual({
      test: 'python3 -m pytest -q',
      lint: 'ruff check .',
      typecheck: 'mypy .',
    })
  })

  test('Python: unittest where there are tests and no pytest', () => {
    expect(commands({ 'a.py': '', 'test_a.py': '' })).toEqual({ test: 'python3 -m unittest discover' })
    expect(commands({ tests: null, 'tests/test_a.py': '' })).toEqual({
      test: 'python3 -m unittest discover -s tests -t .',
    })
  })

  test('Go and Rust ask no registry when their dependencies are at hand', () => {
    const needs = 'module x\n\nrequire (\n\tgithub.com/a/b v1.0.0\n)\n'
    expect(commands({ 'go.mod': 'module x\n\ngo 1.22\n' })).toEqual({
      test: 'GOPROXY=off GOFLAGS=-buildvcs=false go test ./...',
      lint: 'GOPROXY=off go vet ./...',
    })
    expect(commands({ 'go.mod': needs })).toMatchObject({ test: 'GOFLAGS=-buildvcs=false go test ./...' })
    expect(commands({ 'go.mod': needs, vendor: null })).toMatchObject({ lint: 'GOPROXY=off go vet ./...' })
    expect(commands({ 'Cargo.toml': '[package]\nname = "x"\n\n[dependencies]\n' })).toEqual({
      test: 'cargo test --offline',
    })
    expect(commands({ 'Cargo.toml': '[workspace]\n[dependencies]\nserde = "1"\n' })).toEqual({
      test: 'cargo test --workspace',
    })
  })

  test.each([
    ['bundler', { Gemfile: '', spec: null }, 'bundle exec rspec'],
    ['rake', { Gemfile: '', Rakefile: 'Rake::TestTask.new(:test)' }, 'bundle exec rake test'],
    ['composer', { 'composer.json': '{"scripts":{"test":"phpunit"}}' }, 'composer run-script --no-interaction test'],
    ['phpunit', { 'composer.json': '{}', 'phpunit.xml': '' }, 'php vendor/bin/phpunit'],
    ['maven', { 'pom.xml': '' }, 'mvn -B -q -ntp test'],
    ['its wrapper', { 'pom.xml': '', mvnw: '' }, 'sh ./mvnw -B -q -ntp test'],
    ['gradle', { 'build.gradle.kts': '', gradlew: '' }, 'sh ./gradlew --no-daemon test'],
    ['tox', { 'tox.ini': '[tox]\n' }, 'python3 -m tox -q'],
    ['a virtual environment', { 'pytest.ini': '', '.venv': null }, '.venv/bin/python -m pytest -q'],
    ['uv', { 'pyproject.toml': 'pytest', 'uv.lock': '' }, 'uv run --frozen python -m pytest -q'],
    ['mix', { 'mix.exs': '' }, 'mix test'],
    ['deno', { 'deno.json': '{}' }, 'deno test'],
  ])('%s', (_what, given, command) => {
    expect(commands(given)).toEqual({ test: command })
  })

  test('Make targets count where nothing else was found', () => {
    const makefile = 'VERSION := 1\n.PHONY: test\ntest: build\n\tgo test\ncheck:\n\ttrue\n'
    expect(commands({ Makefile: makefile })).toEqual({ test: 'make test', check: 'make check' })
    expect(commands({ Makefile: makefile, ...packageJson({ test: 'node --test' }) })).toEqual({ test: 'npm test' })
  })

  test('two languages keep both tests under names of their own', () => {
    expect(commands({ ...packageJson({ test: 'node --test' }), 'go.mod': 'module x\n' })).toMatchObject({
      test: 'npm test',
      'test (go)': expect.stringContaining('go test'),
    })
  })

  test('an empty project has none', () => {
    expect(commands({})).toEqual({})
  })
})

describe('packages below the root', () => {
  const frontend = { 'frontend/package.json': JSON.stringify({ scripts: { test: 'node t.js' } }) }
  const backend = { 'backend/go.mod': 'module x\n' }

  test('each has its checks, run in its directory', () => {
    expect(commands({ ...frontend, ...backend })).toEqual({
      'test (backend)': 'cd backend && GOPROXY=off GOFLAGS=-buildvcs=false go test ./...',
      'lint (backend)': 'cd backend && GOPROXY=off go vet ./...',
      'test (frontend)': 'cd frontend && npm test',
    })
  })

  test('a change asks those that it touches, and others only where it touches none', () => {
    expect(Object.keys(commands({ ...frontend, ...backend }, ['frontend/src/a.js']))).toEqual(['test (frontend)'])
    expect(Object.keys(commands({ ...frontend, ...backend }, ['notes.txt'])).sort()).toEqual([
      'lint (backend)',
      'test (backend)',
      'test (frontend)',
    ])
  })

  test('a workspace whose root runs them all runs each once', () => {
    const root = packageJson({ test: 'npm test --workspaces' }, { workspaces: ['frontend'] })
    expect(commands({ ...root, ...frontend })).toEqual({ test: 'npm test' })
    const cargo = { 'Cargo.toml': '[workspace]\nmembers = ["a"]\n', 'a/Cargo.toml': '[package]\n' }
    expect(commands(cargo)).toEqual({ test: 'cargo test --workspace --offline' })
  })

  test('a name is quoted for the shell, and short enough to be kept as a setting', () => {
    const directory = `it's here/${'x'.repeat(80)}`
    const [[name, command] = ['', '']] = Object.entries(
      commands({ [`${directory}/package.json`]: JSON.stringify({ scripts: { test: 'x' } }) }),
    )
    expect([name.length <= 64, command]).toEqual([true, `cd './it'\\''s here/${'x'.repeat(80)}' && npm test`])
  })
})

test('pytest in a Pipfile or a pdm project is what its tests are run with', () => {
  const pipfile = { Pipfile: '[dev-packages]\npytest = "*"\n', '.venv': null, 'test_a.py': '' }
  const pdm = { 'pyproject.toml': '[dependency-groups]\ndev = ["pytest"]\n', 'pdm.lock': '', 'test_a.py': '' }
  expect([commands(pipfile), commands(pdm)]).toEqual([
    { test: '.venv/bin/python -m pytest -q' },
    { test: 'pdm run python -m pytest -q' },
  ])
})
