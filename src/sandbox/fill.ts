/** Puts a project's source into its sandbox, as it is: streamed, bounded, links and modes and byte names included. */

import { AppError } from '../shared/errors.ts'
import { OWN_FILES } from '../shared/places.ts'
import { allowedPath } from './sources/allowed-path.ts'
import { refusedSource } from './sources/refused-source.ts'
import { entryOfTree } from './sources/tree-entry.ts'
import { walkFolder } from './sources/walk-folder.ts'
import { writeEntries } from './sources/write-entries.ts'
import type { Sandbox, TreeFile, WorkspaceEntry, WorkspaceSize } from './types.ts'
import type { FillControl } from './workspaces.ts'

/** Longest time for a source that is read from this host, in milliseconds. */
const COPY_LIMIT_MS = 8 * 60_000
const EXCLUDE = '.git/info/exclude'
const MAX_EXCLUDE_BYTES = 1024 * 1024

/** Where the first files of a project come from. */
export type Source =
  | { readonly kind: 'sample'; readonly name?: string | undefined }
  | { readonly kind: 'empty' }
  | { readonly kind: 'files'; readonly files: Readonly<Record<string, string>> }
  | GitSource
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'fork' }

/** A repository that is cloned over https. */
export interface GitSource {
  readonly kind: 'git'
  readonly url: string
  readonly ref?: string | undefined
  /** Commits of history, default 50. */
  readonly depth?: number | undefined
  /** A stored credential for the repository's host; left out, the newest of that host is used. */
  readonly credentialId?: string | undefined
}

/** What became of a source; `notes` says in sentences what was left out. */
export interface FillReport extends WorkspaceSize {
  readonly notes: readonly string[]
  /** What was checked out, for git. */
  readonly commit?: string
}

/** What files may come from, as the operator allows it. */
export interface FillOptions {
  readonly sampleFiles: () => Readonly<Record<string, string>>
  /** Host directories below which a `path` source may lie. */
  readonly projectRoots: readonly string[]
  /** The files that were stored with a forked project, some at a time. */
  forkedFiles(): AsyncIterable<readonly TreeFile[]>
  /** Clones a repository into the sandbox. Throws `project_source_failed`. */
  clone(sandbox: Sandbox, source: GitSource, control: FillControl): Promise<FillReport>
  readonly control: FillControl
}

/**
 * Throws `project_source_failed` with a sentence for the person who made the project, and `sandbox_*`. What was written by
 * then stays: the caller throws the sandbox away.
 */
export async function fillSandbox(sandbox: Sandbox, source: Source, options: FillOptions): Promise<FillReport> {
  // A clone waits for somebody else's machine most of the time and must not keep the others from their turn.
  if (source.kind === 'git') return await cloneRepository(sandbox, source, options)
  return await options.control.inTurn(() => copySource(sandbox, source, options))
}

async function cloneRepository(sandbox: Sandbox, source: GitSource, options: FillOptions): Promise<FillReport> {
  const report = await options.clone(sandbox, source, options.control)
  await excludeOwnFiles(sandbox)
  return report
}

async function copySource(
  sandbox: Sandbox,
  source: Exclude<Source, GitSource>,
  options: FillOptions,
): Promise<FillReport> {
  switch (source.kind) {
    case 'empty':
      return { files: 0, sizeBytes: 0, notes: [] }
    case 'sample':
      return await writeFiles(sandbox, options.sampleFiles())
    case 'files':
      return await writeFiles(sandbox, source.files)
    case 'path':
      return await copyFolder(sandbox, source.path, options)
    case 'fork':
      return await bringIn(sandbox, forkedEntries(options.forkedFiles()), [], options.control)
  }
}

async function writeFiles(sandbox: Sandbox, files: Readonly<Record<string, string>>): Promise<FillReport> {
  const writes = Object.entries(files).map(([path, data]) => ({ path, data }))
  await sandbox.write(writes)
  const sizeBytes = writes.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
  return { files: writes.length, sizeBytes, notes: [] }
}

async function copyFolder(sandbox: Sandbox, path: string, options: FillOptions): Promise<FillReport> {
  const root = await allowedPath(path, options.projectRoots)
  if (root === null) {
    const message =
      'The project’s folder is not there any more, or no longer below a directory in KEELSON_PROJECT_ROOTS.'
    throw new AppError('project_source_failed', message)
  }
  const { entries, notes } = await walkFolder(root)
  const report = await bringIn(sandbox, entries, notes, options.control)
  await excludeOwnFiles(sandbox)
  return report
}

/** Puts entries into an empty sandbox; `notes` may grow while they are read. Throws as {@link fillSandbox} does. */
export async function bringIn(
  sandbox: Sandbox,
  entries: AsyncIterable<WorkspaceEntry>,
  notes: readonly string[],
  { check, onProgress }: Pick<FillControl, 'check' | 'onProgress'>,
): Promise<FillReport> {
  const deadline = performance.now() + COPY_LIMIT_MS
  const goOn = () => {
    check()
    if (performance.now() < deadline) return
    const message = `The project’s files could not be brought in within ${COPY_LIMIT_MS / 60_000} minutes.`
    throw new AppError('project_source_failed', message)
  }
  const own: string[] = []
  try {
    const size = sandbox.replaceFiles
      ? await sandbox.replaceFiles(entries, { check: goOn, onProgress: () => onProgress() })
      : await writeEntries(sandbox, entries, { check: goOn, onProgress, note: (sentence) => own.push(sentence) })
    return { ...size, notes: [...notes, ...own] }
  } catch (error) {
    throw asSourceFailure(error)
  }
}

/** A limit of the sandbox is here one of the source, which somebody chose. */
function asSourceFailure(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'sandbox_bad_request') return error
  const message = `The project’s files cannot be brought in: ${error.message}.`
  return refusedSource(message, error)
}

async function* forkedEntries(pages: AsyncIterable<readonly TreeFile[]>): AsyncGenerator<WorkspaceEntry> {
  for await (const files of pages) yield* files.map(entryOfTree)
}

/** Has git in the workspace overlook what the server keeps there. Safe to repeat. */
async function excludeOwnFiles(sandbox: Sandbox): Promise<void> {
  const git = await sandbox.stat('.git')
  if (git?.kind !== 'directory') return
  const known = await sandbox.stat(EXCLUDE)
  if (known !== null && (known.kind !== 'file' || known.sizeBytes > MAX_EXCLUDE_BYTES)) return
  const before = known === null ? '' : Buffer.from((await sandbox.read(EXCLUDE)).data).toString('latin1')
  const missing = OWN_FILES.map((path) => `/${path}`).filter((line) => !before.split('\n').includes(line))
  if (missing.length === 0) return
  const text = `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`
  await sandbox.write([{ path: EXCLUDE, data: Buffer.from(text, 'latin1') }])
}
