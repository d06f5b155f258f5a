import type { FileEntry, Sandbox } from '../sandbox/types.ts'
import { kindAnywhere } from '../shared/places.ts'
import {
  ASKED_NAMES,
  CLAUDE_DIRECTORY_RULES,
  MANIFESTS,
  MAX_MANIFEST_BYTES,
  MAX_PROSE_BYTES,
  PACKAGE_SIGNS,
  ROOT_INPUTS,
  RULES_FILES,
} from './input-files.ts'
import { type Listing, listProjectDirectory, readTree } from './project-tree.ts'
import { exists, readInput } from './read-input.ts'
import { type RulesFile, withImports } from './rules-files.ts'

/** Sub-packages that are looked at, and of those named by a change the directories that are asked. */
const MAX_PACKAGES = 40
const MAX_TOUCHED_DIRECTORIES = 40
/** Manifests in all: a repository of nothing else costs no more. */
const MAX_TOTAL_CHARS = 8 * 1024 * 1024
/** Test data and examples hold packages that nobody builds. */
const NO_PACKAGES = /(?:^|\/)(?:fixtures?|testdata|examples?|third_party|templates?)(?:\/|$)/

/** One package: a directory with a manifest. */
export interface PackageFiles {
  /** Relative to the workspace, '' for its root. */
  readonly directory: string
  /** Which of the names that are asked for lie in it. */
  readonly names: ReadonlySet<string>
  /** Its manifests by name, each of them whole. */
  readonly texts: ReadonlyMap<string, string>
  /** Files in it that the tree shows, relative to it. */
  readonly paths: readonly string[]
}

/** What a project's files say of it: the only input of its context, its checks and its set-up. */
export interface ProjectFiles {
  /** Which of the names that are asked for lie in the root. */
  readonly rootNames: ReadonlySet<string>
  /** Files and directories to depth 3, sorted by path; what is installed or ignored is left out. */
  readonly tree: readonly FileEntry[]
  readonly treeTruncated: boolean
  /** Input files of the root by name: manifests whole, of the others at most 64 KB. */
  readonly texts: ReadonlyMap<string, string>
  /** Manifests of more than 2 MiB, which were not read, by path. */
  readonly tooLarge: readonly string[]
  /** The root's rules files, each followed by what it imports. */
  readonly rules: readonly RulesFile[]
  /** The packages below the root, sorted by path: those that the tree shows, and those that a change touches. */
  readonly packages: readonly PackageFiles[]
}

/**
 * Reads what the project context and the checks are made from. Each input is asked for by its name, so that no other file
 * can hide it. `touched` are paths of files that changed: the packages they belong to are looked at however deep they lie.
 * Looks only; the same files give the same answer; bounded in directories, files and bytes.
 */
export async function readProjectFiles(sandbox: Sandbox, touched: readonly string[] = []): Promise<ProjectFiles> {
  const { entries, listings, isCut } = await readTree(sandbox)
  const rootNames = await namesIn(sandbox, '', listings.get(''), [...ASKED_NAMES, ...ROOT_INPUTS])
  const reader = createReader(sandbox)
  const texts = await reader.texts('', rootNames, ROOT_INPUTS)
  const own = await readInput(sandbox, CLAUDE_DIRECTORY_RULES, MAX_PROSE_BYTES)
  const given = RULES_FILES.flatMap((path) => (texts.has(path) ? [{ path, text: texts.get(path) ?? '' }] : []))
  const isNew = own !== null && own.text.trim() !== '' && !given.some(({ text }) => text === own.text)
  const rules = await withImports(
    sandbox,
    isNew && !own.text.includes('\0') ? [...given, { path: CLAUDE_DIRECTORY_RULES, text: own.text }] : given,
  )
  const files = entries.filter((entry) => entry.kind === 'file').map((entry) => entry.path)
  const packages: PackageFiles[] = []
  for (const directory of packageDirectories(listings, touched)) {
    if (packages.length >= MAX_PACKAGES) break
    const listing = listings.get(directory) ?? (await listProjectDirectory(sandbox, directory))
    const names = await namesIn(sandbox, directory, listing, ASKED_NAMES)
    if (![...names].some((name) => PACKAGE_SIGNS.has(name))) continue
    const inside = `${directory}/`
    packages.push({
      directory,
      names,
      texts: await reader.texts(directory, names, MANIFESTS),
      paths: files.filter((path) => path.startsWith(inside)).map((path) => path.slice(inside.length)),
    })
  }
  packages.sort((a, b) => (a.directory < b.directory ? -1 : 1))
  return { rootNames, tree: entries, treeTruncated: isCut, texts, tooLarge: reader.tooLarge, rules, packages }
}

/** The root as a package like the others. */
export function rootPackage({ rootNames, texts, tree }: ProjectFiles): PackageFiles {
  const paths = tree.filter((entry) => entry.kind === 'file').map((entry) => entry.path)
  return { directory: '', names: rootNames, texts, paths }
}

/** The files that a context was made from, sorted. */
export function sourcesOf({ texts, rules, packages }: ProjectFiles): string[] {
  const inPackages = packages.flatMap(({ directory, texts: own }) =>
    [...own.keys()].map((name) => `${directory}/${name}`),
  )
  return [...new Set([...texts.keys(), ...rules.map((file) => file.path), ...inPackages])].sort()
}

/** Directories that may hold a package: first those above a changed file, the nearest ones first, then what the tree shows. */
function packageDirectories(listings: ReadonlyMap<string, Listing>, touched: readonly string[]): string[] {
  const above = new Set<string>()
  for (const path of touched) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (above.size >= MAX_TOUCHED_DIRECTORIES) break
      const directory = path.slice(0, end)
      if (directory.split('/').every((name) => kindAnywhere(name) === null)) above.add(directory)
    }
  }
  const shown = [...listings].filter(
    ([directory, { names }]) =>
      directory !== '' && !NO_PACKAGES.test(directory) && [...names].some((name) => PACKAGE_SIGNS.has(name)),
  )
  return [...new Set([...above, ...shown.map(([directory]) => directory)])]
}

/** Which of the `asked` names lie in a directory, also when its listing was cut. */
async function namesIn(
  sandbox: Sandbox,
  directory: string,
  listing: Listing | undefined,
  asked: readonly string[],
): Promise<ReadonlySet<string>> {
  const names = new Set(asked.filter((name) => listing?.names.has(name) === true))
  if (listing?.isCut === false) return names
  const missing = asked.filter((name) => !names.has(name))
  const found = await Promise.all(
    missing.map((name) => exists(sandbox, directory === '' ? name : `${directory}/${name}`)),
  )
  for (const [index, name] of missing.entries()) if (found[index]) names.add(name)
  return names
}

function createReader(sandbox: Sandbox) {
  let leftChars = MAX_TOTAL_CHARS
  const tooLarge: string[] = []
  const parsed = new Set(MANIFESTS)
  const texts = async (directory: string, names: ReadonlySet<string>, wanted: readonly string[]) => {
    const found = new Map<string, string>()
    for (const name of wanted) {
      if (!names.has(name)) continue
      const path = directory === '' ? name : `${directory}/${name}`
      const isParsed = parsed.has(name)
      const input = await readInput(sandbox, path, isParsed ? MAX_MANIFEST_BYTES : MAX_PROSE_BYTES)
      if (input === null) continue
      if ((isParsed && input.isCut) || input.text.length > leftChars) tooLarge.push(path)
      else {
        leftChars -= input.text.length
        found.set(name, input.text)
      }
    }
    return found
  }
  return { texts, tooLarge }
}
