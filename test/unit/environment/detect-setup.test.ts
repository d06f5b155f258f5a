import { expect, test } from 'vitest'
import { detectSetup } from '../../../src/environment/detect-setup.ts'
import { placesOf } from '../../../src/environment/installed-places.ts'

/** The set-up's commands by name; of each its last line, which is the installation itself. */
function detected(texts: Readonly<Record<string, string>>): Record<string, string> {
  const files = new Set(Object.keys(texts))
  const { commands } = detectSetup({ files, texts: new Map(Object.entries(texts)) })
  return Object.fromEntries(
    commands.map(({ name, command, cwd }) => [name, `${cwd ?? ''}${command.split('\n').at(-1)}`]),
  )
}

/** As `poetry new` of version 2 writes it. */
const POETRY_2 = `[project]
name = "t"
dependencies = ["requests (>=2.32,<3)"]

[build-system]
build-backend = "poetry.core.masonry.api"
`
const GROUPS = '[project]\nname = "t"\ndependencies = []\n\n[dependency-groups]\ndev = ["pytest"]\n'
const POETRY = '[project]\nname = "t"\ndependencies = ["six"]\n\n[tool.poetry]\npackage-mode = false\n'

test('Python: the manager whose lock file or settings are there, in the project’s own environment', () => {
  expect({
    poetry: detected({ 'pyproject.toml': POETRY, 'poetry.lock': '' }),
    // A lock file that only this installation needed is no change that somebody asked for.
    poetryUnlocked: detected({ 'pyproject.toml': POETRY }),
    poetryMember: detected({ 'uv.lock': '', 'pyproject.toml': '', 'lib/pyproject.toml': POETRY }),
    poetry2: detected({ 'pyproject.toml': POETRY_2 }),
    poetry2Groups: detected({ 'pyproject.toml': '[project]\n\n[tool.poetry.group.dev.dependencies]\npytest = "^8"\n' }),
    groups: detected({ 'pyproject.toml': GROUPS }),
    extras: detected({
      'pyproject.toml':
        '[project]\ndependencies = ["six"]\n[project.optional-dependencies]\ndev = ["pytest"]\n[tool.x]\ntest = []\n',
    }),
    groupsOfMember: detected({ 'uv.lock': '', 'pyproject.toml': '', 'lib/pyproject.toml': GROUPS }),
    groupsBeside: detected({ 'pyproject.toml': GROUPS, 'requirements.txt': '' }),
    pdm: detected({ 'pyproject.toml': '[project]\ndependencies = ["six"]\n', 'pdm.lock': '' }),
    pipenv: detected({ Pipfile: '', 'Pipfile.lock': '{}' }),
    pipenvUnlocked: detected({ Pipfile: '' }),
  }).toEqual({
    poetry: {
      'poetry install':
        'POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction || POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction --no-root',
    },
    poetryUnlocked: { 'poetry install': 'rm -f poetry.lock' },
    poetry2: { 'poetry install': 'rm -f poetry.lock' },
    poetry2Groups: { 'poetry install': 'rm -f poetry.lock' },
    groups: { 'uv sync': 'rm -f uv.lock' },
    extras: { 'pip install': ".venv/bin/python -m pip install -e '.[dev]'" },
    groupsOfMember: { 'uv sync': 'uv sync --frozen' },
    groupsBeside: { 'pip install': '.venv/bin/python -m pip install -r requirements.txt' },
    poetryMember: { 'uv sync': 'uv sync --frozen' },
    pdm: {
      'pdm install': 'PDM_VENV_IN_PROJECT=1 PDM_NON_INTERACTIVE=1 PDM_CHECK_UPDATE=0 pdm install --frozen-lockfile',
    },
    pipenv: { 'pipenv sync': 'PIPENV_VENV_IN_PROJECT=1 pipenv sync --dev' },
    pipenvUnlocked: { 'pipenv sync': 'PIPENV_VENV_IN_PROJECT=1 pipenv install --dev --skip-lock' },
  })
})

test('a tool that no registry has is named with the way out before anything else runs', () => {
  const texts = {
    'go.mod': 'module t\n\nrequire a.example/b v1.0.0\n',
    'Cargo.lock': '',
    'Cargo.toml': '',
    Gemfile: '',
    'composer.json': '{}',
    'pom.xml': '',
    'build.gradle': '',
  }
  const { commands } = detectSetup({ files: new Set(Object.keys(texts)), texts: new Map(Object.entries(texts)) })
  const firstLines = commands.map(({ command }) => command.split('\n')[0] ?? '')
  expect(
    firstLines.map((line) => /^command -v (\S+) >\/dev\/null \|\| .*KEELSON_TOOLCHAINS.*exit 127; \}$/.exec(line)?.[1]),
  ).toEqual(['go', 'cargo', 'bundle', 'composer', 'mvn'])
})

test('a yarn that makes its lock file first may do so, also where commands count as continuous integration', () => {
  const manifest = '{"packageManager":"yarn@4.9.2","dependencies":{"a":"1"}}'
  expect({
    unlocked: detected({ 'package.json': manifest }),
    locked: detected({ 'package.json': manifest, 'yarn.lock': '__metadata:\n' }),
  }).toEqual({
    unlocked: { 'yarn install': 'yarn install --no-immutable' },
    locked: { 'yarn install': 'yarn install --immutable' },
  })
})

test('of each detected command it is known where it installs, and of a person’s it is not', () => {
  const npm = '{"dependencies":{"a":"1"}}'
  const projects: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    npm: { 'package.json': npm, 'package-lock.json': '' },
    unlocked: { 'package.json': npm },
    pnpm: { 'package.json': npm, 'pnpm-lock.yaml': '' },
    yarn: { 'package.json': npm, 'yarn.lock': '' },
    bun: { 'package.json': npm, 'bun.lock': '' },
    uv: { 'uv.lock': '' },
    poetry: { 'poetry.lock': '' },
    pdm: { 'pdm.lock': '' },
    pipenv: { Pipfile: '' },
    pip: { 'requirements.txt': '' },
    editable: { 'pyproject.toml': '[project]\ndependencies = ["six"]\n' },
    go: { 'go.mod': 'require a.example/b v1.0.0\n' },
    cargo: { 'Cargo.lock': '', 'Cargo.toml': '' },
    bundler: { Gemfile: '' },
    composer: { 'composer.json': '{}' },
    maven: { 'pom.xml': '' },
    gradle: { 'build.gradle': '' },
  }
  const known = Object.entries(projects).map(([name, texts]) => {
    const inside = Object.fromEntries(Object.entries(texts).map(([file, text]) => [`a b/${file}`, text]))
    const { commands } = detectSetup({ files: new Set(Object.keys(inside)), texts: new Map(Object.entries(inside)) })
    const shown = commands.map((command) => ({ ...command, source: 'detected' as const }))
    return [
      name,
      shown.length,
      placesOf(shown) !== null,
      placesOf([...shown, { name: 'x', command: 'x', source: 'custom' }]),
    ]
  })
  expect(known).toEqual(Object.keys(projects).map((name) => [name, 1, true, null]))
})
