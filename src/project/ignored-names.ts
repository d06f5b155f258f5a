/** Which directories of a project are no source of its own. Pure. */

/** Wherever they lie: what package managers install, what git and we keep ourselves. */
const INSTALLED: ReadonlySet<string> = new Set([
  '.git',
  '.claude',
  '.keelson',
  '.next',
  '.venv',
  '.tox',
  '__pycache__',
  'node_modules',
])
/** Installed where a package manager is at work beside them; plain words elsewhere. */
const VENDOR_SIGNS = ['go.mod', 'composer.json', 'Gemfile', 'Cargo.toml']
/** Build output where a tool that makes it is at work beside them; `src/build` is source. */
const BUILD_NAMES: ReadonlySet<string> = new Set(['dist', 'build', 'target', 'out', 'coverage'])
const BUILD_SIGNS = [
  'package.json',
  'pyproject.toml',
  'setup.py',
  'Cargo.toml',
  'pom.xml',
  'build.gradle',
  'build.gradle.kts',
  'CMakeLists.txt',
]
const ENVIRONMENT_NAMES: ReadonlySet<string> = new Set(['venv', 'env', 'virtualenv'])
const PYTHON_SIGNS = ['pyproject.toml', 'setup.py', 'requirements.txt', 'setup.cfg']

/** `hidden`: not shown. `closed`: shown by its name, its entries are not. `open`: source. */
export type Openness = 'hidden' | 'closed' | 'open'

/**
 * What a directory called `name` is, going by the names beside it and what the root's .gitignore says of its `path`
 * (see {@link ignoredPaths}). What git tracks is source, whatever it is called; what only looks generated is still named.
 */
export function opennessOf(
  name: string,
  siblings: ReadonlySet<string>,
  isIgnored: (path: string) => boolean,
  path: string,
): Openness {
  const beside = (signs: readonly string[]) => signs.some((sign) => siblings.has(sign))
  if (INSTALLED.has(name) || isIgnored(path)) return 'hidden'
  if (name === 'vendor' && beside(VENDOR_SIGNS)) return 'hidden'
  if (ENVIRONMENT_NAMES.has(name) && beside(PYTHON_SIGNS)) return 'closed'
  return BUILD_NAMES.has(name) && beside(BUILD_SIGNS) ? 'closed' : 'open'
}

/**
 * Tells for a path whether the plain lines of a .gitignore name it (`out`, `out/`, `/out`, `a/out`). Patterns with `*`, `?`
 * or `[` are left to git: something that is shown though it is ignored does no harm, the other way round it does.
 */
export function ignoredPaths(gitignore: string): (path: string) => boolean {
  const anywhere = new Set<string>()
  const anchored = new Set<string>()
  const kept = new Set<string>()
  for (const line of gitignore.split('\n')) {
    const pattern = line.trimEnd()
    if (pattern === '' || /^#|[*?[\\]/.test(pattern)) continue
    const isKept = pattern.startsWith('!')
    const path = pattern.slice(isKept ? 1 : 0).replace(/\/$/, '')
    if (isKept) kept.add(path.replace(/^\//, ''))
    else if (path.includes('/')) anchored.add(path.replace(/^\//, ''))
    else anywhere.add(path)
  }
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (kept.has(path) || kept.has(name)) return false
    return anchored.has(path) || anywhere.has(name)
  }
}
