import type { LeftOutKind } from '../../shared/left-out.ts'
import type { ByteName } from './descriptors.ts'

/** Never part of a checkpoint, wherever they lie: what package managers and tools make again by themselves. */
const DEPENDENCIES = new Set('node_modules .venv .tox .nox .gradle .terraform'.split(' '))
const CACHES = new Set(
  '__pycache__ .next .nuxt .svelte-kit .turbo .parcel-cache .pytest_cache .mypy_cache .ruff_cache .cache .nyc_output'.split(
    ' ',
  ),
)
/** What a cache may hold that is run afterwards: built pages are output, not a mere cache. */
const BUILT = new Set('.next .nuxt .svelte-kit'.split(' '))

/** Build output by convention, but also plain words: left out only beside the manifest of a tool that makes them. */
const BUILD_NAMES = new Set(['dist', 'build', 'target', 'out', 'coverage', 'venv'])
const MANIFESTS = (
  'package.json pyproject.toml setup.py requirements.txt Cargo.toml pom.xml build.gradle ' +
  'build.gradle.kts CMakeLists.txt build.sbt'
).split(' ')

const OUTPUT = new RegExp(
  `(^|/)(${[...DEPENDENCIES, ...CACHES, ...BUILD_NAMES].map((name) => name.replaceAll('.', '\\.')).join('|')})/`,
)

/** Whether a file lies below a directory that may be left out by its name, so that git's index matters for it. Pure. */
export function isBelowOutput(file: ByteName): boolean {
  return OUTPUT.test(file)
}

/** Whether the name is build output where a manifest stands beside it. Pure. */
export function isBuildName(name: ByteName): boolean {
  return BUILD_NAMES.has(name)
}

/** Whether what lies in a directory of this name is only a cache: its changes are told and are no work of a task. Pure. */
export function isCacheName(name: ByteName): boolean {
  return CACHES.has(name) && !BUILT.has(name)
}

/** The names beside a directory. */
type Siblings = Pick<ReadonlySet<ByteName>, 'has'>

/** Why a directory is left out of checkpoints, as far as its name says; null: it is not. Pure. */
export function leftOutKind(name: ByteName, siblings: Siblings): LeftOutKind | null {
  if (DEPENDENCIES.has(name)) return 'dependencies'
  if (isCacheName(name)) return 'cache'
  if (CACHES.has(name)) return 'build'
  if (!BUILD_NAMES.has(name) || !MANIFESTS.some((manifest) => siblings.has(manifest))) return null
  return name === 'venv' ? 'dependencies' : 'build'
}

/** Whether versions before this one left a directory out, whatever git said of it. Pure. */
export function wasLeftOut(name: ByteName, siblings: Siblings): boolean {
  return name === '.git' || leftOutKind(name, siblings) !== null
}

/** The left-out place that a file belongs to, by its path alone, and why it is left out; a file of its own is a large one. Pure. */
export function leftOutPlace(file: ByteName): { path: ByteName; kind: LeftOutKind } {
  const names = file.split('/')
  const isPlace = (name: ByteName) => name === '.git' || DEPENDENCIES.has(name) || CACHES.has(name)
  const inner = names.slice(0, -1)
  const at = inner.some(isPlace) ? inner.findIndex(isPlace) : inner.findIndex((name) => BUILD_NAMES.has(name))
  const name = names[at]
  if (name === undefined) return { path: file, kind: 'large' }
  const kind = name === '.git' ? 'git' : (leftOutKind(name, new Set(MANIFESTS)) ?? 'build')
  return { path: names.slice(0, at + 1).join('/'), kind }
}

/** Whether a file lies in a cache. Pure. */
export function isBelowCache(file: ByteName): boolean {
  return file.split('/').slice(0, -1).some(isCacheName)
}

/** Files that the server itself keeps in the workspace. */
export const OWN_FILES: ReadonlySet<ByteName> = new Set(['.claude/project-context.md', '.claude/memory.md'])
export const OWN_DIRECTORY = '.claude'
