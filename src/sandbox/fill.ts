/** Puts a project's source into its sandbox. Every kind can be repeated: it writes the same files again. */

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { FileWrite, Sandbox, TreeFile } from './types.ts'

const MAX_FILES = 50_000
const MAX_FILE_BYTES = 100 * 1024 * 1024
const BATCH_FILES = 200
const CLONE_TIMEOUT_MS = 5 * 60_000
const LINK_TIMEOUT_MS = 30_000

export type Source =
  | { readonly kind: 'sample'; readonly name?: string | undefined }
  | { readonly kind: 'empty' }
  | { readonly kind: 'files'; readonly files: Readonly<Record<string, string>> }
  | { readonly kind: 'git'; readonly url: string; readonly ref?: string | undefined }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'fork' }

export interface FillOptions {
  readonly sampleFiles: () => Readonly<Record<string, string>>
  /** Host directories below which a `path` source may lie. */
  readonly projectRoots: readonly string[]
  /** The files that were stored with a forked project, some at a time. */
  forkedFiles(): AsyncIterable<readonly TreeFile[]>
}

/** Throws `project_source_failed` with a sentence for the person who made the project, and `sandbox_*`. */
export async function fillSandbox(sandbox: Sandbox, source: Source, options: FillOptions): Promise<void> {
  switch (source.kind) {
    case 'empty':
      return
    case 'sample':
      return await writeFiles(sandbox, options.sampleFiles())
    case 'files':
      return await writeFiles(sandbox, source.files)
    case 'path':
      return await copyDirectory(sandbox, await allowedPath(source.path, options.projectRoots))
    case 'git':
      return await cloneInto(sandbox, source)
    case 'fork':
      return await writeForked(sandbox, options.forkedFiles())
  }
}

async function writeForked(sandbox: Sandbox, pages: AsyncIterable<readonly TreeFile[]>): Promise<void> {
  for await (const files of pages) {
    const plain = files.filter((file) => file.mode !== '120000')
    await sandbox.write(plain.map(({ path, mode, data }) => ({ path, data, mode: mode === '100755' ? 0o755 : 0o644 })))
    for (const link of files) if (link.mode === '120000') await makeLink(sandbox, link)
  }
}

/** By a command inside, since what a link points to is not ours to judge from out here. */
async function makeLink(sandbox: Sandbox, { path, data }: TreeFile): Promise<void> {
  const execId = `link.${newId('req')}`
  const script = 'mkdir -p -- "$(dirname -- "$2")" && ln -sfn -- "$1" "$2"'
  const argv = ['sh', '-c', script, 'sh', Buffer.from(data).toString(), `./${path}`]
  await sandbox.start({ execId, taskId: 'keelson', argv, timeoutMs: LINK_TIMEOUT_MS })
  const { state } = await sandbox.poll(execId, {
    cursor: Number.MAX_SAFE_INTEGER,
    maxBytes: 0,
    waitMs: LINK_TIMEOUT_MS,
  })
  if (state.exitCode !== 0) throw new AppError('project_source_failed', `The link ${path} could not be made.`)
}

async function writeFiles(sandbox: Sandbox, files: Readonly<Record<string, string>>): Promise<void> {
  await sandbox.write(Object.entries(files).map(([path, data]) => ({ path, data })))
}

/** The real path of a directory, if it lies below one of the roots; symlinks are followed before that is judged. */
export async function allowedPath(path: string, roots: readonly string[]): Promise<string> {
  const refusal = new AppError('project_source_failed', 'The path is not below a directory in KEELSON_PROJECT_ROOTS.')
  if (roots.length === 0) throw refusal
  try {
    const real = await realpath(path)
    for (const root of roots) {
      const realRoot = await realpath(root)
      if (real === realRoot || real.startsWith(realRoot + sep)) {
        if ((await stat(real)).isDirectory()) return real
      }
    }
  } catch (error) {
    throw new AppError('project_source_failed', 'The project’s path cannot be read.', { cause: error })
  }
  throw refusal
}

async function copyDirectory(sandbox: Sandbox, root: string): Promise<void> {
  let batch: FileWrite[] = []
  let count = 0
  for await (const path of walk(root)) {
    count += 1
    if (count > MAX_FILES) throw new AppError('project_source_failed', `The project has more than ${MAX_FILES} files.`)
    const info = await stat(path)
    if (info.size > MAX_FILE_BYTES) continue
    batch.push({ path: relative(root, path), data: await readFile(path), mode: info.mode & 0o111 ? 0o755 : 0o644 })
    if (batch.length < BATCH_FILES) continue
    await sandbox.write(batch)
    batch = []
  }
  await sandbox.write(batch)
}

/** Regular files only: what a symlink points to may lie outside. */
async function* walk(directory: string): AsyncGenerator<string> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else if (entry.isFile()) yield path
  }
}

/** A shallow clone made on the host with nothing of the host's or the repository's configuration in effect. */
async function cloneInto(
  sandbox: Sandbox,
  source: { readonly url: string; readonly ref?: string | undefined },
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-clone-'))
  try {
    const target = join(directory, 'repository')
    const branch = source.ref === undefined ? [] : ['--branch', source.ref]
    const flags = ['-c', 'core.hooksPath=/dev/null', '-c', 'protocol.allow=never', '-c', 'protocol.https.allow=always']
    const args = [
      ...flags,
      'clone',
      '--depth',
      '1',
      '--no-tags',
      '--single-branch',
      ...branch,
      '--',
      source.url,
      target,
    ]
    await promisify(execFile)('git', args, {
      timeout: CLONE_TIMEOUT_MS,
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: directory,
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_NOSYSTEM: '1',
      },
    })
    await copyDirectory(sandbox, target)
  } catch (error) {
    if (error instanceof AppError) throw error
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : ''
    throw new AppError('project_source_failed', `The repository could not be cloned. ${said ?? ''}`.trim(), {
      cause: error,
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
