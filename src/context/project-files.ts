import type { FileEntry, Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'

/** The only files whose content goes into the project context or decides its checks, all in the workspace's root. */
const INPUT_FILES: ReadonlySet<string> = new Set([
  'package.json',
  'pyproject.toml',
  'requirements.txt',
  'requirements-dev.txt',
  'setup.cfg',
  'pytest.ini',
  'tox.ini',
  'go.mod',
  'Cargo.toml',
  'Makefile',
  'makefile',
  'AGENTS.md',
  'CLAUDE.md',
  'REVIEW.md',
  '.nvmrc',
  '.python-version',
])
const README = /^readme(?:\.(?:md|markdown|rst|txt))?$/i

/** Never listed: what is generated, installed or the harness's own. */
const HIDDEN_DIRECTORIES: ReadonlySet<string> = new Set([
  '.git',
  '.claude',
  '.keelson',
  '.next',
  '.venv',
  '__pycache__',
  'build',
  'coverage',
  'dist',
  'node_modules',
  'target',
  'vendor',
  'venv',
])

/** Hidden, but whether they exist decides what can run. `.claude` is none: writing the context must not change its hash. */
const ASKED_DIRECTORIES: ReadonlySet<string> = new Set(['node_modules', 'vendor'])

const MAX_FILE_BYTES = 64 * 1024
const MAX_DEPTH = 3
/** Directories that are opened, and entries taken from each: a tree of any size costs at most this. */
const MAX_DIRECTORIES = 60
const MAX_ENTRIES_EACH = 200

export interface ProjectFiles {
  /** Names in the root, with those of hidden directories that the checks ask for. */
  readonly rootNames: ReadonlySet<string>
  /** Files and directories to depth 3, sorted by path; hidden directories left out. */
  readonly tree: readonly FileEntry[]
  readonly treeTruncated: boolean
  /** Input files by name, at most 64 KB of each. */
  readonly texts: ReadonlyMap<string, string>
}

/** Reads what the project context is made from. Looks only; the same files give the same answer. */
export async function readProjectFiles(sandbox: Sandbox): Promise<ProjectFiles> {
  const { tree, rootNames, truncated } = await readTree(sandbox)
  const names = tree
    .filter((entry) => entry.kind === 'file' && entry.path === entry.name && isInput(entry.name))
    .map((entry) => entry.name)
  const texts = await Promise.all(names.map(async (name) => [name, await readText(sandbox, name)] as const))
  const found = texts.filter((pair): pair is readonly [string, string] => pair[1] !== null)
  return { rootNames, tree, treeTruncated: truncated, texts: new Map(found) }
}

function isInput(name: string): boolean {
  return INPUT_FILES.has(name) || README.test(name)
}

async function readTree(sandbox: Sandbox) {
  const tree: FileEntry[] = []
  let rootNames: ReadonlySet<string> = new Set()
  let truncated = false
  let level = ['.']
  for (let depth = 1, opened = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const allowed = level.slice(0, MAX_DIRECTORIES - opened)
    opened += allowed.length
    truncated ||= allowed.length < level.length
    const lists = await Promise.all(allowed.map((path) => listOne(sandbox, path)))
    truncated ||= lists.some((list) => list.truncated)
    const entries = lists.flatMap((list) => list.entries)
    const shown = entries.filter((entry) => entry.kind !== 'directory' || !HIDDEN_DIRECTORIES.has(entry.name))
    if (depth === 1) {
      const asked = entries.filter((entry) => shown.includes(entry) || ASKED_DIRECTORIES.has(entry.name))
      rootNames = new Set(asked.map((entry) => entry.name))
    }
    tree.push(...shown)
    level = shown.filter((entry) => entry.kind === 'directory').map((entry) => entry.path)
  }
  return { tree: tree.sort(byPath), rootNames, truncated }
}

/** A directory that vanished since it was listed has no entries; the workspace is in use. */
async function listOne(sandbox: Sandbox, path: string): Promise<{ entries: FileEntry[]; truncated: boolean }> {
  try {
    const { entries, truncated } = await sandbox.list(path, { depth: 1, limit: MAX_ENTRIES_EACH })
    return { entries: [...entries].sort(byPath), truncated }
  } catch (error) {
    if (path !== '.' && error instanceof AppError && error.code === 'sandbox_bad_request')
      return { entries: [], truncated: false }
    throw error
  }
}

async function readText(sandbox: Sandbox, path: string): Promise<string | null> {
  try {
    const { data } = await sandbox.read(path, { offset: 0, length: MAX_FILE_BYTES })
    return new TextDecoder().decode(data)
  } catch (error) {
    if (error instanceof AppError && error.code === 'sandbox_bad_request') return null
    throw error
  }
}

/** A directory comes directly before what is in it: `src`, `src/a`, `src.ts`. */
function byPath(a: FileEntry, b: FileEntry): number {
  return a.path.replaceAll('/', '\0') < b.path.replaceAll('/', '\0') ? -1 : 1
}
