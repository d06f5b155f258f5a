/**
 * What a directory of a project is, going by its name and the names beside it: the one list that searches, the project's tree,
 * checks, checkpoints, sources, the terminal and the page go by. A plain word (`build`, `target`, `env`) says nothing without the
 * manifest of a tool that makes such a directory; what git tracks is source whatever this says, which callers ask first.
 */

/** `source`: people wrote it, or nothing says otherwise. `ours`: the server keeps it. */
export type PlaceKind = 'source' | 'dependencies' | 'output' | 'cache' | 'git' | 'ours'

/** What package managers install, wherever it lies. */
export const DEPENDENCY_NAMES: readonly string[] = ['node_modules', '.venv', '.tox', '.nox', '.gradle', '.terraform']
/** What tools keep for themselves, wherever it lies. */
export const CACHE_NAMES: readonly string[] = [
  '__pycache__',
  '.turbo',
  '.parcel-cache',
  '.pytest_cache',
  '.mypy_cache',
  '.ruff_cache',
  '.cache',
  '.nyc_output',
]
/** Built pages, wherever they lie: made like a cache and served afterwards. */
export const BUILT_NAMES: readonly string[] = ['.next', '.nuxt', '.svelte-kit']
/** Build output beside a manifest of {@link BUILD_MANIFESTS}; plain words elsewhere. */
export const BUILD_NAMES: readonly string[] = ['dist', 'build', 'target', 'out', 'coverage']
/**
 * What set-ups install beside the sources, at exactly these places below the directory that they run in: Bundler's gems, and
 * what yarn keeps for Plug'n'Play. Composer's is `vendor` beside {@link COMPOSER_MANIFEST}.
 */
export const INSTALLED_DIRECTORIES: readonly string[] = ['vendor/bundle', '.yarn/cache', '.yarn/unplugged']
/** The same for single files. */
export const INSTALLED_FILES: readonly string[] = [
  '.pnp.cjs',
  '.pnp.loader.mjs',
  '.pnp.data.json',
  '.yarn/install-state.gz',
  '.yarn/build-state.yml',
]
/** The file beside which `vendor` holds what Composer installed. */
export const COMPOSER_MANIFEST = 'composer.json'
/** Virtual environments beside a manifest of {@link PYTHON_MANIFESTS}; plain words elsewhere. */
export const ENVIRONMENT_NAMES: readonly string[] = ['venv', 'env', 'virtualenv']
/** Directories in which the server keeps files of its own, among a project's. */
export const OWN_DIRECTORIES: readonly string[] = ['.claude', '.keelson']
/** Files that the server itself keeps in a workspace. */
export const OWN_FILES: readonly string[] = ['.claude/project-context.md', '.claude/memory.md']

/** Files that make a folder a Python project. */
export const PYTHON_MANIFESTS: readonly string[] = ['pyproject.toml', 'setup.py', 'requirements.txt', 'setup.cfg']
/** Files beside which a directory that is named like build output is build output. */
export const BUILD_MANIFESTS: readonly string[] = [
  'package.json',
  'pyproject.toml',
  'setup.py',
  'requirements.txt',
  'Cargo.toml',
  'pom.xml',
  'build.gradle',
  'build.gradle.kts',
  'CMakeLists.txt',
  'build.sbt',
]
const VENDOR_MANIFESTS: readonly string[] = ['go.mod', COMPOSER_MANIFEST, 'Gemfile', 'Cargo.toml']

const ANYWHERE: ReadonlyMap<string, PlaceKind> = new Map<string, PlaceKind>([
  ...DEPENDENCY_NAMES.map((name) => [name, 'dependencies'] as const),
  ...CACHE_NAMES.map((name) => [name, 'cache'] as const),
  ...BUILT_NAMES.map((name) => [name, 'output'] as const),
  ...OWN_DIRECTORIES.map((name) => [name, 'ours'] as const),
  ['.git', 'git'],
])
type Beside = readonly [kind: PlaceKind, manifests: readonly string[]]
const BESIDE: ReadonlyMap<string, Beside> = new Map<string, Beside>([
  ...BUILD_NAMES.map((name) => [name, ['output', BUILD_MANIFESTS] as const] as const),
  ...ENVIRONMENT_NAMES.map((name) => [name, ['dependencies', PYTHON_MANIFESTS] as const] as const),
  ['vendor', ['dependencies', VENDOR_MANIFESTS] as const] as const,
])

/** What a directory is wherever it lies; null when that hangs on what lies beside it. Pure. */
export function kindAnywhere(name: string): PlaceKind | null {
  return ANYWHERE.get(name) ?? null
}

/** What a directory is; `siblings` are the names beside it. Pure. */
export function placeKind(name: string, siblings: { has(name: string): boolean }): PlaceKind {
  const anywhere = ANYWHERE.get(name)
  if (anywhere !== undefined) return anywhere
  const [kind, manifests] = BESIDE.get(name) ?? []
  return kind !== undefined && manifests?.some((manifest) => siblings.has(manifest)) ? kind : 'source'
}

/**
 * Tells for each file of a list of paths the kind of the outermost directory above it that is no source, going by the list
 * itself for what lies beside; `source` when there is none. Pure; `paths` are all files there are, relative to one directory.
 */
export function kindsOfFiles(paths: Iterable<string>): (path: string) => PlaceKind {
  const names = new Map<string, Set<string>>()
  for (const path of paths) {
    const slash = path.lastIndexOf('/')
    const beside = names.get(path.slice(0, slash + 1))
    if (beside === undefined) names.set(path.slice(0, slash + 1), new Set([path.slice(slash + 1)]))
    else beside.add(path.slice(slash + 1))
  }
  return (path) => {
    for (let from = 0, end = path.indexOf('/'); end !== -1; from = end + 1, end = path.indexOf('/', from)) {
      const kind = placeKind(path.slice(from, end), names.get(path.slice(0, from)) ?? NONE)
      if (kind !== 'source') return kind
    }
    return 'source'
  }
}

const NONE: ReadonlySet<string> = new Set()
