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
    ['a way around', { test: 'true || node --test' }, /proves nothing/],
    ['a failure that is let go', { test: 'node --test || true' }, /proves nothing/],
    ['npm’s default', { test: 'echo "Error: no test specified" && exit 1' }, /placeholder/],
    ['a script that watches', { test: 'vitest --watch' }, /never ends/],
    ['a compiler that watches', { test: 'tsc -w' }, /never ends/],
    ['a call of a script that watches', { test: 'npm run dev', dev: 'nodemon t.js' }, /never ends/],
    ['a wrapped one', { test: 'cross-env CI=1 c8 -r text mocha -w' }, /never ends/],
    ['one by its path', { test: './node_modules/.bin/tsc -w' }, /never ends/],
    ['Angular’s own way', { test: 'ng test' }, /never ends/],
    ['karma', { test: 'karma start conf.js' }, /never ends/],
    ['tsx', { test: 'tsx watch t.ts' }, /never ends/],
    ['two at once', { test: 'run-p types watch', watch: 'tsc --watch', types: 5 }, /never ends/],
    ['a call without its head', { test: 'npm run -s dev', dev: 'jest --watchAll' }, /never ends/],
    ['a script that says something', { test: 'echo "no tests yet" && exit 0' }, /runs nothing/],
    ['a script that is true', { test: 'true' }, /runs nothing/],
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
    'vitest',
    'vitest run',
    'jest --watchAll=false',
    'jest -w 50%',
    'react-scripts test',
    'ng test --watch=false --browsers=ChromeHeadless',
    'ng test --no-watch',
    'karma start --single-run',
    'CI=1 npm run unit',
    'cross-env NODE_ENV=test jest',
    'npm run -s unit',
    'echo testing && node t.js',
    'turbo run test',
    'nx run-many -t test',
    'bun test',
    'deno test -A',
    'true | node t.js',
  ])('%s is run: no word alone drops a check', (test_) => {
    expect(commands({ ...packageJson({ test: test_ }) })).toEqual({ test: 'npm test' })
    expect(leftOut({ ...packageJson({ test: test_ }) })).toEqual([])
  })

  test('a script that watches has a stand-in where the project names one', () => {
    expect(commands({ ...packageJson({ test: 'jest --watch', 'test:ci': 'jest' }) })).toEqual({
      test: 'npm run test:ci',
    })
  })

  test('without the usual names all scripts that test are run, but those for a person at the keyboard', () => {
    const scripts = {
      'test:api': 'a',
      'test:web': 'b',
      'test:watch': 'jest --watch',
      'test:e2e': 'c',
      'test:update': 'd',
    }
    expect(commands(packageJson(scripts))).toEqual({
      'test:api': 'npm run test:api',
      'test:web': 'npm run test:web',
    })
    expect(commands(packageJson({ jest: 'jest', deploy: 'x' }))).toEqual({ jest: 'npm run jest' })
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
    const ways = (given: Record<string, string | null>) =>
      detectChecks(aProject(given)).checks.map(({ command, fallbacks }) => [
        command,
        ...fallbacks.map((way) => way.command),
      ])
    const files = { tests: null, 'tests/test_a.py': '', 'tests.py': '' }
    expect([ways({ ...files, venv: null }), ways({ ...files, 'uv.lock': '' }), ways({ 'tests.py': '' })]).toEqual([
      [
        [
          'venv/bin/python -m unittest discover -s tests -t .',
          'python3 -m unittest discover -s tests -t .',
          'venv/bin/python -m pytest -q',
        ],
      ],
      [['uv run --frozen python -m unittest discover -s tests -t .', 'python3 -m unittest discover -s tests -t .']],
      [['python3 -m unittest discover']],
    ])
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
    ['a task of deno', { 'deno.jsonc': '{ // own\n "tasks": { "test": "deno test -A" } }' }, 'deno task test'],
    ['rake without bundler', { Rakefile: 'task :test' }, 'rake test'],
    ['rspec without bundler', { Rakefile: '', spec: null }, 'rspec'],
    ['rails', { Gemfile: '', test: null, 'bin/rails': '' }, 'bundle exec rails test'],
    [
      'a required phpunit',
      { 'composer.json': '{"require-dev":{"phpunit/phpunit":"^11"}}' },
      'php vendor/bin/phpunit tests',
    ],
    ['pest', { 'composer.json': '{"require-dev":{"pestphp/pest":"^3"}}', 'phpunit.xml': '' }, 'php vendor/bin/pest'],
    ['tox in pyproject', { 'pyproject.toml': '[tool.tox]\n' }, 'python3 -m tox -q'],
    ['nox', { 'noxfile.py': '' }, 'python3 -m nox'],
    ['django', { 'manage.py': '', 'app/tests.py': '' }, 'python3 manage.py test'],
    ['conftest below', { 'tests/conftest.py': '', 'tests/test_a.py': '' }, 'python3 -m pytest -q'],
    ['pytest among test requirements', { 'requirements-test.txt': 'pytest\n' }, 'python3 -m pytest -q'],
    [
      'hatch',
      { 'pyproject.toml': '[tool.hatch.envs.default.scripts]\ntest = "pytest {args}"\n' },
      'python3 -m pytest -q',
    ],
    ['pipenv', { Pipfile: 'pytest = "*"', 'Pipfile.lock': '' }, 'pipenv run python -m pytest -q'],
    ['just', { justfile: 'set shell := ["bash"]\n@test filter="" *args: build\n  x\n' }, 'just test'],
    ['task', { 'Taskfile.yml': "version: '3'\nvars:\n  test: 1\ntasks:\n  test:\n    cmds: [x]\n" }, 'task test'],
    ['several targets of make', { Makefile: 'a tests:: b\n\tx\n' }, 'make tests'],
    ['dotnet', { 'App.sln': '' }, 'dotnet test'],
    [
      'a nested test project',
      { 'src/App/App.csproj': '', 'src/App.Tests/App.Tests.csproj': '' },
      'dotnet test src/App.Tests/App.Tests.csproj',
    ],
    ['sbt', { 'build.sbt': '' }, 'sbt -batch test'],
    ['swift', { 'Package.swift': '' }, 'swift test'],
    ['dart', { 'pubspec.yaml': 'name: x\n' }, 'dart test'],
    ['flutter', { 'pubspec.yaml': 'dependencies:\n  flutter:\n    sdk: flutter\n' }, 'flutter test'],
    ['stack', { 'stack.yaml': '' }, 'stack test'],
    ['bazel', { 'MODULE.bazel': '' }, 'bazel test //...'],
    ['ant', { 'build.xml': '' }, 'ant test'],
    ['cmake', { 'CMakeLists.txt': 'enable_testing()\n' }, expect.stringContaining('ctest --test-dir')],
  ])('%s', (_what, given, command) => {
    expect(commands(given)).toEqual({ test: command })
  })

  test.each([
    ['Python', { 'pyproject.toml': '[project]\n' }, /no tests are configured/],
    ['Ruby', { Gemfile: '' }, /no spec directory/],
    ['PHP', { 'composer.json': '{}' }, /no test script/],
    ['CMake', { 'CMakeLists.txt': 'project(x)\n' }, /enables no tests/],
  ])('%s without tests is said to have none', (_what, given, reason) => {
    expect([commands(given), leftOut(given)]).toEqual([{}, [{ name: 'test', reason: expect.stringMatching(reason) }]])
  })

  test('Python: ruff, flake8, mypy and pyright are found by files of their own', () => {
    expect(commands({ 'setup.py': '', 'ruff.toml': '', 'pyrightconfig.json': '' })).toEqual({
      lint: 'ruff check .',
      typecheck: 'pyright',
    })
    expect(commands({ 'setup.py': '', '.flake8': '', 'mypy.ini': '', '.venv': null })).toEqual({
      lint: '.venv/bin/flake8',
      typecheck: '.venv/bin/mypy .',
    })
  })

  test('a target that tests counts beside other checks when there is no other test', () => {
    const makefile = 'test:\n\tx\nlint:\n\ty\n'
    expect(commands({ Makefile: makefile, ...packageJson({ lint: 'eslint .' }) })).toEqual({
      lint: 'npm run lint',
      test: 'make test',
    })
    expect(commands({ justfile: 'test:\n  x\n', 'pyproject.toml': '[tool.ruff]\n' })).toEqual({
      lint: 'ruff check .',
      test: 'just test',
    })
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
    for (const all of ['turbo run test', 'yarn workspaces run test', 'lerna run test', 'pnpm -r test'])
      expect(commands({ ...packageJson({ test: all }), ...frontend })).toEqual({ test: 'npm test' })
    for (const some of ['turbo run test --filter=api', 'nx affected -t test', 'pnpm -r --filter api test'])
      expect(commands({ ...packageJson({ test: some }), ...frontend })).toEqual({
        test: 'npm test',
        'test (frontend)': 'cd frontend && npm test',
      })
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
