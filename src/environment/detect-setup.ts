/**
 * What must be run before a project's own commands can: from its lock files and manifests, once for each lock file, at the
 * directory that holds it, and so that nothing is resolved anew. Pure; look-at-inputs.ts brings what it looks at.
 */

import type { SetupCommand } from '../shared/environment.ts'

/** Files of the workspace by path, relative, with the text of those that are read. */
export interface SetupInputs {
  readonly files: ReadonlySet<string>
  readonly texts: ReadonlyMap<string, string>
}

/** What is run, in this order, each command in the directory of its lock file or manifest. */
export interface DetectedSetup {
  readonly commands: readonly SetupCommand[]
  /** What looks like a project and is not set up, and why. */
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[]
}

/** Names that a set-up is made from; `*` at the end of one stands for the rest of the name. */
export const INPUT_NAMES: readonly string[] = [
  'package.json',
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'yarn.lock',
  'bun.lock',
  'bun.lockb',
  'uv.lock',
  'poetry.lock',
  'Pipfile',
  'Pipfile.lock',
  'pdm.lock',
  'pyproject.toml',
  'requirements*.txt',
  'go.mod',
  'go.sum',
  'go.work',
  'Cargo.toml',
  'Cargo.lock',
  'Gemfile',
  'Gemfile.lock',
  'composer.json',
  'composer.lock',
  'pom.xml',
  'build.gradle',
  'build.gradle.kts',
  'settings.gradle',
  'settings.gradle.kts',
  'mvnw',
  'gradlew',
]

/** Those whose text decides something; all are small in honest projects. */
export const READ_NAMES: ReadonlySet<string> = new Set([
  'package.json',
  'pyproject.toml',
  'pnpm-lock.yaml',
  'yarn.lock',
  'Cargo.toml',
  'go.mod',
  'go.work',
])

const MAX_DIRECTORIES = 20

type Rule = (at: Place) => SetupCommand | { readonly reason: string } | null

interface Place {
  readonly dir: string
  has(name: string): boolean
  text(name: string): string
  /** Whether a directory above has one of these. */
  above(names: readonly string[]): boolean
}

const RULES: readonly Rule[] = [javascript, python, go, rust, ruby, php, java]

/** The set-up's commands in the order of directories. */
export function detectSetup(inputs: SetupInputs): DetectedSetup {
  const dirs = [...new Set([...inputs.files].map((file) => file.slice(0, Math.max(0, file.lastIndexOf('/')))))].sort()
  const commands: SetupCommand[] = []
  const leftOut: { path: string; reason: string }[] = []
  for (const dir of dirs) {
    for (const rule of RULES) {
      const found = rule(placeOf(inputs, dir))
      if (found === null) continue
      if ('reason' in found) leftOut.push({ path: dir === '' ? '.' : dir, reason: found.reason })
      else if (commands.length < MAX_DIRECTORIES)
        commands.push(dir === '' ? found : { ...found, name: `${found.name} (${dir})`, cwd: dir })
      else
        leftOut.push({
          path: dir,
          reason: `more than ${MAX_DIRECTORIES} directories need a set-up; give the commands yourself`,
        })
    }
  }
  return { commands, leftOut }
}

function placeOf({ files, texts }: SetupInputs, dir: string): Place {
  const at = (name: string, where = dir) => (where === '' ? name : `${where}/${name}`)
  return {
    dir,
    has: (name) => files.has(at(name)),
    text: (name) => texts.get(at(name)) ?? '',
    above(names) {
      for (let up = dir; up !== ''; ) {
        up = up.slice(0, Math.max(0, up.lastIndexOf('/')))
        if (names.some((name) => files.has(at(name, up)))) return true
      }
      return false
    },
  }
}

const JS_LOCKS = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb']

function javascript(at: Place): ReturnType<Rule> {
  if (!at.has('package.json')) return null
  const manifest = parseJson(at.text('package.json'))
  if (manifest === null) return { reason: 'package.json is not valid JSON or too large' }
  const named = manifest['packageManager']
  const [asked, version] = typeof named === 'string' ? (named.split('+')[0] ?? '').split('@') : []
  const locked = {
    npm: at.has('package-lock.json') || at.has('npm-shrinkwrap.json'),
    pnpm: at.has('pnpm-lock.yaml'),
    yarn: at.has('yarn.lock'),
    bun: at.has('bun.lock') || at.has('bun.lockb'),
  }
  const manager =
    asked !== undefined && asked in locked ? asked : (Object.entries(locked).find(([, isThere]) => isThere)?.[0] ?? '')
  // A package of a workspace whose root was set up.
  if (manager === '' && at.above([...JS_LOCKS, 'pnpm-workspace.yaml'])) return null
  switch (manager) {
    case 'pnpm': {
      const major = version ?? pnpmFor(at.text('pnpm-lock.yaml'))
      const frozen = locked.pnpm ? ' --frozen-lockfile' : ' --no-lockfile'
      return { name: 'pnpm install', command: `${useNpmTool('pnpm', major)}\npnpm install${frozen}` }
    }
    case 'yarn': {
      const isClassic = !at.text('yarn.lock').includes('__metadata:')
      const wanted = version ?? (isClassic ? '1' : '4')
      const isOne = wanted.startsWith('1')
      const install = isOne
        ? `yarn install --non-interactive${locked.yarn ? ' --frozen-lockfile' : ' --no-lockfile'}`
        : `yarn install${locked.yarn ? ' --immutable' : ' --no-immutable'}`
      return {
        name: 'yarn install',
        command: `${useNpmTool(isOne ? 'yarn' : '@yarnpkg/cli-dist', wanted, 'yarn')}\n${install}`,
      }
    }
    case 'bun':
      return {
        name: 'bun install',
        command: `${useNpmTool('bun', version ?? '1')}\nbun install${locked.bun ? ' --frozen-lockfile' : ' --no-save'}`,
      }
    default:
      if (locked.npm) return { name: 'npm ci', command: 'npm ci --no-audit --no-fund' }
      // Nothing to install, as in a project that only has scripts.
      if (!hasDependencies(manifest)) return null
      return { name: 'npm install', command: 'npm install --no-audit --no-fund --no-package-lock' }
  }
}

function hasDependencies(manifest: Record<string, unknown>): boolean {
  const groups = ['dependencies', 'devDependencies', 'optionalDependencies', 'workspaces']
  return groups.some((group) => {
    const value = manifest[group]
    return typeof value === 'object' && value !== null && Object.keys(value).length > 0
  })
}

/** Which pnpm reads a lock file of this version, among those that run on every Node that Keelson runs on. */
function pnpmFor(lock: string): string {
  const version = /^lockfileVersion: '?(\d+)/m.exec(lock)?.[1]
  return version === '5' ? '7' : version === '6' ? '8' : '10'
}

/** Makes a tool of the npm registry callable, kept in the project's cache, unless it is there already. */
function useNpmTool(pkg: string, version: string, program: string = pkg): string {
  const safe = /^[0-9A-Za-z.^~-]{1,40}$/.test(version) ? version : 'latest'
  return `command -v ${program} >/dev/null || npm install --global --prefix "$HOME/.cache/tools" --no-audit --no-fund ${pkg}@${safe}`
}

/** Ends with the way out where this host lacks a tool that no registry has. */
function needsTool(program: string): string {
  return `command -v ${program} >/dev/null || { echo "${program} is not there for commands: install it below /usr on the host, or name its directory in KEELSON_TOOLCHAINS" >&2; exit 127; }\n`
}

/** Debian's python3 may lack `ensurepip`: then the environment borrows the host's pip, where it has one. */
const MAKE_VENV = `[ -x .venv/bin/python ] || python3 -m venv .venv 2>/dev/null || python3 -m venv --without-pip .venv
[ -x .venv/bin/pip ] || for wheel in /usr/share/python-wheels/pip-*.whl; do [ -f "$wheel" ] && .venv/bin/python "$wheel/pip" install --no-index --find-links /usr/share/python-wheels pip; done
.venv/bin/python -m pip --version >/dev/null || { echo "python3 has no pip here: install python3-venv on the host" >&2; exit 1; }`

/** Releases that came after a tool and break it. */
const HELD_BACK: Readonly<Record<string, string>> = { pdm: ` 'hishel<2'` }

/** A tool of the Python index in an environment of its own, kept in the project's cache, unless it is there already. */
function usePythonTool(tool: string): string {
  return `command -v ${tool} >/dev/null || ( mkdir -p "$HOME/.cache/tools/${tool}" "$HOME/.cache/tools/bin" && cd "$HOME/.cache/tools/${tool}" && {
${MAKE_VENV}
} && .venv/bin/python -m pip install --quiet ${tool}${HELD_BACK[tool] ?? ''} && ln -sf "$PWD/.venv/bin/${tool}" "$HOME/.cache/tools/bin/${tool}" )`
}

function python(at: Place): ReturnType<Rule> {
  if (at.has('uv.lock')) return { name: 'uv sync', command: `${usePythonTool('uv')}\nuv sync --frozen` }
  const project = at.text('pyproject.toml')
  // From poetry 2 on the project's own table may be all there is, and groups of dependencies the only sign beside the builder.
  const isPoetry = /^\[tool\.poetry[.\]]|^build-backend\s*=\s*["']poetry\./m.test(project)
  if (at.has('poetry.lock') || (isPoetry && !at.above(['poetry.lock', 'uv.lock']))) {
    const poetry = 'POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction'
    // Version 2 fails for a project that is no package, when all that it depends on is there.
    const install = `${poetry} || ${poetry} --no-root`
    // What was resolved for this installation alone is no lock file that somebody asked for.
    const afterwards = at.has('poetry.lock') ? '' : '\nrm -f poetry.lock'
    return { name: 'poetry install', command: `${usePythonTool('poetry')}\n${install}${afterwards}` }
  }
  if (at.has('pdm.lock')) {
    const install = 'PDM_VENV_IN_PROJECT=1 PDM_NON_INTERACTIVE=1 PDM_CHECK_UPDATE=0 pdm install --frozen-lockfile'
    return { name: 'pdm install', command: `${usePythonTool('pdm')}\n${install}` }
  }
  if (at.has('Pipfile.lock') || at.has('Pipfile')) {
    const install = at.has('Pipfile.lock') ? 'sync --dev' : 'install --dev --skip-lock'
    return { name: 'pipenv sync', command: `${usePythonTool('pipenv')}\nPIPENV_VENV_IN_PROJECT=1 pipenv ${install}` }
  }
  const lists = ['requirements.txt', 'requirements-dev.txt', 'requirements-test.txt'].filter((name) => at.has(name))
  if (lists.length > 0) {
    const files = lists.map((name) => `-r ${name}`).join(' ')
    return { name: 'pip install', command: `${MAKE_VENV}\n.venv/bin/python -m pip install ${files}` }
  }
  // A package of a workspace whose root is synchronised as a whole.
  if (at.above(['uv.lock'])) return null
  const optional = /^\[project\.optional-dependencies\]$([^]*?)(?:^\[|(?![^]))/m.exec(project)?.[1] ?? ''
  const extras = [...new Set([...optional.matchAll(/^(test|tests|dev)\s*=\s*\[/gm)].map((match) => match[1]))]
  // Groups of dependencies are nothing that pip of today's hosts can install.
  if (/^\[dependency-groups\]/m.test(project)) {
    const sync = ['uv sync', ...extras.map((extra) => `--extra ${extra}`)].join(' ')
    return { name: 'uv sync', command: `${usePythonTool('uv')}\n${sync}\nrm -f uv.lock` }
  }
  if (!/^\[project\]/m.test(project)) return null
  if (!/^\s*dependencies\s*=\s*\[\s*[^\]\s]/m.test(project) && !/^\[project\.optional-dependencies\]/m.test(project))
    return null
  const suffix = extras.length > 0 ? `'.[${extras.join(',')}]'` : '.'
  return { name: 'pip install', command: `${MAKE_VENV}\n.venv/bin/python -m pip install -e ${suffix}` }
}

function go(at: Place): ReturnType<Rule> {
  if (!at.has('go.mod')) return null
  // Standard library alone.
  if (!/^\s*require\b/m.test(at.text('go.mod'))) return null
  // Modules of one workspace may require each other at versions that nobody published, which "download" would look for.
  const isShared = at.has('go.work') || at.above(['go.work'])
  const download = isShared ? 'go list -deps -test ./... >/dev/null || GOWORK=off go mod download' : 'go mod download'
  return { name: 'go mod download', command: `${needsTool('go')}${download}` }
}

function rust(at: Place): ReturnType<Rule> {
  if (!at.has('Cargo.toml') || at.above(['Cargo.lock'])) return null
  if (at.has('Cargo.lock')) return { name: 'cargo fetch', command: `${needsTool('cargo')}cargo fetch --locked` }
  // A member of the workspace above.
  if (at.above(['Cargo.toml'])) return null
  if (!/^\[(workspace|([\w.'"-]*\.)?(dev-|build-)?dependencies)/m.test(at.text('Cargo.toml'))) return null
  return { name: 'cargo fetch', command: `${needsTool('cargo')}cargo fetch` }
}

function ruby(at: Place): ReturnType<Rule> {
  if (!at.has('Gemfile')) return null
  const frozen = at.has('Gemfile.lock') ? 'BUNDLE_FROZEN=true ' : ''
  return { name: 'bundle install', command: `${needsTool('bundle')}${frozen}bundle install` }
}

function php(at: Place): ReturnType<Rule> {
  if (!at.has('composer.json')) return null
  return {
    name: 'composer install',
    command: `${needsTool('composer')}composer install --no-interaction --prefer-dist`,
  }
}

function java(at: Place): ReturnType<Rule> {
  if (at.has('pom.xml') && !at.above(['pom.xml'])) {
    const maven = at.has('mvnw') ? 'sh ./mvnw' : 'mvn'
    // Building the tests is what brings the plugins' own dependencies along; "go-offline" misses them.
    return {
      name: 'maven',
      command: `${needsTool(at.has('mvnw') ? 'java' : 'mvn')}${maven} -B -q -ntp test-compile surefire:help`,
    }
  }
  const isGradle = at.has('build.gradle') || at.has('build.gradle.kts')
  if (!isGradle || at.above(['settings.gradle', 'settings.gradle.kts', 'build.gradle', 'build.gradle.kts'])) return null
  return {
    name: 'gradle',
    command: `${needsTool(at.has('gradlew') ? 'java' : 'gradle')}${at.has('gradlew') ? 'sh ./gradlew' : 'gradle'} --no-daemon --console=plain testClasses`,
  }
}

function parseJson(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
