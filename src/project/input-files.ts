/** The names of the files that say what a project is and how it is checked. Each is asked for by its name. */

/** Read whole and parsed; never used when they are longer than {@link MAX_MANIFEST_BYTES}. */
export const MANIFESTS: readonly string[] = [
  'package.json',
  'pyproject.toml',
  'requirements.txt',
  'requirements-dev.txt',
  'requirements-test.txt',
  'requirements_dev.txt',
  'requirements_test.txt',
  'dev-requirements.txt',
  'test-requirements.txt',
  'Pipfile',
  'setup.cfg',
  'pytest.ini',
  'tox.ini',
  'go.mod',
  'Cargo.toml',
  'composer.json',
  'Gemfile',
  'Rakefile',
  'Makefile',
  'makefile',
  'GNUmakefile',
  'justfile',
  'Justfile',
  '.justfile',
  'Taskfile.yml',
  'Taskfile.yaml',
  'taskfile.yml',
  'taskfile.yaml',
  'deno.json',
  'deno.jsonc',
  'pubspec.yaml',
  'CMakeLists.txt',
]

/** What people wrote for those who work on the project; a long one is read up to {@link MAX_PROSE_BYTES}. */
export const RULES_FILES: readonly string[] = ['AGENTS.md', 'CLAUDE.md', 'REVIEW.md']
/** The other place of the root's `CLAUDE.md`; the directory holds the server's own notes too, which are no input. */
export const CLAUDE_DIRECTORY_RULES = '.claude/CLAUDE.md'
/** In this order; the first that is there is quoted. */
export const README_NAMES: readonly string[] = ['README', 'Readme', 'readme'].flatMap((name) =>
  ['', '.md', '.markdown', '.rst', '.txt'].map((end) => `${name}${end}`),
)
const VERSION_FILES: readonly string[] = ['.nvmrc', '.python-version']

/** Only whether these exist matters. */
const SIGNS: readonly string[] = [
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'yarn.lock',
  'bun.lock',
  'bun.lockb',
  'tsconfig.json',
  'setup.py',
  'conftest.py',
  'uv.lock',
  'poetry.lock',
  'Pipfile.lock',
  'pdm.lock',
  'go.work',
  'Gemfile.lock',
  'phpunit.xml',
  'phpunit.xml.dist',
  'pom.xml',
  'mvnw',
  'build.gradle',
  'build.gradle.kts',
  'settings.gradle',
  'settings.gradle.kts',
  'gradlew',
  'noxfile.py',
  'manage.py',
  'ruff.toml',
  '.ruff.toml',
  '.flake8',
  'mypy.ini',
  'pyrightconfig.json',
  'mix.exs',
  'build.sbt',
  'Package.swift',
  'stack.yaml',
  'cabal.project',
  'dune-project',
  'build.zig',
  'shard.yml',
  'project.clj',
  'rebar.config',
  'cpanfile',
  'Makefile.PL',
  'MODULE.bazel',
  'WORKSPACE',
  'build.xml',
]

/**
 * Directories that are not looked into, but whether they exist decides what can run. `.claude` is none: writing the
 * context must not change its hash.
 */
export const ASKED_DIRECTORIES: readonly string[] = ['node_modules', 'vendor', '.venv', 'venv', 'spec', 'tests', 'test']

/** A package begins in a directory that holds one of these. */
export const PACKAGE_SIGNS: ReadonlySet<string> = new Set([
  'package.json',
  'pyproject.toml',
  'setup.py',
  'go.mod',
  'Cargo.toml',
  'composer.json',
  'Gemfile',
  'pom.xml',
  'build.gradle',
  'build.gradle.kts',
  'mix.exs',
  'deno.json',
  'deno.jsonc',
  'requirements.txt',
  'Pipfile',
  'tox.ini',
  'noxfile.py',
  'manage.py',
  'Rakefile',
  'settings.gradle',
  'settings.gradle.kts',
  'build.sbt',
  'Package.swift',
  'stack.yaml',
  'dune-project',
  'build.zig',
  'pubspec.yaml',
  'CMakeLists.txt',
  'Makefile',
  'justfile',
  'Justfile',
  'Taskfile.yml',
])

/** What is read in the workspace's root. */
export const ROOT_INPUTS: readonly string[] = [...MANIFESTS, ...RULES_FILES, ...README_NAMES, ...VERSION_FILES]

/** Everything that is asked for by name in a package's directory. */
export const ASKED_NAMES: readonly string[] = [...MANIFESTS, ...SIGNS, ...ASKED_DIRECTORIES]

/** A manifest is parsed whole or not at all: half a JSON file says nothing. */
export const MAX_MANIFEST_BYTES = 2 * 1024 * 1024
/** Of rules, READMEs and other text for people the beginning says the most. */
export const MAX_PROSE_BYTES = 64 * 1024
