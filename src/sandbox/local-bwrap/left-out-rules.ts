import type { LeftOutKind } from '../../shared/left-out.ts'
import {
  BUILD_MANIFESTS,
  BUILD_NAMES,
  BUILT_NAMES,
  CACHE_NAMES,
  COMPOSER_MANIFEST,
  DEPENDENCY_NAMES,
  INSTALLED_DIRECTORIES,
  INSTALLED_FILES,
  OWN_FILES,
} from '../../shared/places.ts'
import type { ByteName } from './descriptors.ts'

const DEPENDENCIES = new Set(DEPENDENCY_NAMES)
const CACHES = new Set(CACHE_NAMES)
/** What a cache may hold that is run afterwards: built pages are output, not a mere cache. */
const BUILT = new Set(BUILT_NAMES)
/**
 * Plain words that are left out only beside a manifest. Of the names of virtual environments the one that is nothing else:
 * a directory `env` that a task makes is in its diff. Nor is another `vendor` than Composer's, which is made to be committed.
 */
const BESIDE_MANIFEST = new Set([...BUILD_NAMES, 'venv'])
const VENDOR = 'vendor'
const INSTALLED = new Set(INSTALLED_DIRECTORIES)
const SINGLE_FILES = new Set(INSTALLED_FILES)

const anyOf = (names: Iterable<string>) => [...names].map((name) => name.replaceAll('.', '\\.')).join('|')
const NAMES = [...DEPENDENCIES, ...CACHES, ...BUILT, ...BESIDE_MANIFEST, VENDOR, ...INSTALLED]
const OUTPUT = new RegExp(`(^|/)((${anyOf(NAMES)})/|(${anyOf(SINGLE_FILES)})$)`)

/** Whether a file lies where it may be left out by its name, so that git's index matters for it. Pure. */
export function isBelowOutput(file: ByteName): boolean {
  return OUTPUT.test(file)
}

/** The last two names of a path. */
function endOf(path: ByteName): ByteName {
  return path.split('/').slice(-2).join('/')
}

/** Whether a file is one that a set-up leaves beside the sources. Pure. */
export function isInstalledFile(path: ByteName): boolean {
  return SINGLE_FILES.has(endOf(path)) || SINGLE_FILES.has(path.slice(path.lastIndexOf('/') + 1))
}

/**
 * Whether what lies at a path is left out only where it neither came with the project nor is tracked by git: build output, and
 * what a set-up installs beside the sources. Pure.
 */
export function mayBeSource(path: ByteName): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return BESIDE_MANIFEST.has(name) || name === VENDOR || INSTALLED.has(endOf(path)) || isInstalledFile(path)
}

/** Whether what lies in a directory of this name is only a cache: its changes are told and are no work of a task. Pure. */
export function isCacheName(name: ByteName): boolean {
  return CACHES.has(name)
}

/** The names beside a directory. */
type Siblings = Pick<ReadonlySet<ByteName>, 'has'>

/** Why a directory is left out of checkpoints, as far as its path and the names beside it say; null: it is not. Pure. */
export function leftOutKind(path: ByteName, siblings: Siblings): LeftOutKind | null {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (INSTALLED.has(endOf(path)) || (name === VENDOR && siblings.has(COMPOSER_MANIFEST))) return 'dependencies'
  return kindByName(name, siblings)
}

function kindByName(name: ByteName, siblings: Siblings): LeftOutKind | null {
  if (DEPENDENCIES.has(name)) return 'dependencies'
  if (isCacheName(name)) return 'cache'
  if (BUILT.has(name)) return 'build'
  if (!BESIDE_MANIFEST.has(name) || !BUILD_MANIFESTS.some((manifest) => siblings.has(manifest))) return null
  return name === 'venv' ? 'dependencies' : 'build'
}

/** Whether versions before this one left a directory out, whatever git said of it. Pure. */
export function wasLeftOut(name: ByteName, siblings: Siblings): boolean {
  return name === '.git' || kindByName(name, siblings) !== null
}

/** The left-out place that a file belongs to, by its path alone, and why it is left out; a file of its own is a large one. Pure. */
export function leftOutPlace(file: ByteName): { path: ByteName; kind: LeftOutKind } {
  const names = file.split('/')
  const installed = names.findIndex(
    (_name, index) => index > 0 && INSTALLED.has(names.slice(index - 1, index + 1).join('/')),
  )
  if (installed !== -1) return { path: names.slice(0, installed + 1).join('/'), kind: 'dependencies' }
  if (isInstalledFile(file)) return { path: file, kind: 'dependencies' }
  const isPlace = (name: ByteName) => name === '.git' || DEPENDENCIES.has(name) || CACHES.has(name) || BUILT.has(name)
  const inner = names.slice(0, -1)
  const at = inner.some(isPlace) ? inner.findIndex(isPlace) : inner.findIndex((name) => BESIDE_MANIFEST.has(name))
  const name = names[at]
  if (name === undefined) return { path: file, kind: 'large' }
  const kind = name === '.git' ? 'git' : (leftOutKind(name, new Set(BUILD_MANIFESTS)) ?? 'build')
  return { path: names.slice(0, at + 1).join('/'), kind }
}

/** Whether a file lies in a cache. Pure. */
export function isBelowCache(file: ByteName): boolean {
  return file.split('/').slice(0, -1).some(isCacheName)
}

/** Files in a workspace that are ours: no checkpoint holds them. */
export const OWN_FILE_PATHS: ReadonlySet<ByteName> = new Set(OWN_FILES)
/** The directory that they lie in; what else is in it is the project's. */
export const OWN_DIRECTORY = '.claude'
