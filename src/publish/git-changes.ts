import { createHash } from 'node:crypto'
import { fromPathText } from '../sandbox/tree-file-path.ts'
import type { GitChange, GitChanges, GitFile, Sandbox, TreeFile } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'

const GIT_DIRECTORY = /(^|\/)(\.git|git~1)[ .]*(\/|$)/i
const IGNORE_FILE = /(^|\/)\.gitignore$/
/** Contents that are held of one checkpoint, of files that differ; of others their hashes. */
const MAX_HELD_BYTES = 64 * 1024 * 1024
const MAX_IGNORE_BYTES = 4 * 1024 * 1024

interface Known {
  readonly mode: GitFile['mode']
  readonly hash: string
}

/**
 * What git would see between two checkpoints, from a sandbox of any kind: one that cannot say it gives its files one after
 * the other, and they are compared here, by their hashes. Throws `sandbox_bad_request` when more than `maxFiles` differ, and
 * the `sandbox_*` codes; reading a file throws `body_too_large` when the files that differ hold more than 64 MiB.
 */
export async function gitChangesIn(sandbox: Sandbox, from: string, to: string, maxFiles: number): Promise<GitChanges> {
  if (sandbox.gitChanges) return await sandbox.gitChanges(from, to, maxFiles)
  const treeFiles = sandbox.treeFiles?.bind(sandbox)
  if (!treeFiles) throw new AppError('sandbox_bad_request', 'This kind of sandbox gives no patches.')
  const before = new Map<string, Known>()
  for await (const { path, file } of filesIn(treeFiles(from))) before.set(path, knownOf(file))

  const after = new Map<string, Known>()
  const ignoreFiles: GitChanges['ignoreFiles'][number][] = []
  let ignoreBytes = 0
  for await (const { path, file } of filesIn(treeFiles(to))) {
    const known = knownOf(file)
    after.set(path, known)
    if (!IGNORE_FILE.test(path) || known.mode === '120000') continue
    ignoreBytes += file.data.length
    if (ignoreBytes > MAX_IGNORE_BYTES) {
      throw new AppError('sandbox_bad_request', 'The ignore files of this project are too large.')
    }
    ignoreFiles.push({ path: Buffer.from(path, 'latin1'), data: Buffer.from(file.data) })
  }

  const differing = [...new Set([...before.keys(), ...after.keys()])].sort().filter((path) => {
    const [was, is] = [before.get(path), after.get(path)]
    return was?.mode !== is?.mode || was?.hash !== is?.hash
  })
  if (differing.length > maxFiles) {
    throw new AppError('sandbox_bad_request', `More than ${maxFiles} files changed; use the archive.`)
  }
  const paths = new Set(differing)
  const contentsBefore = contents(() => treeFiles(from), paths)
  const contentsAfter = contents(() => treeFiles(to), paths)
  const changes = differing.map(
    (path): GitChange => ({
      path: Buffer.from(path, 'latin1'),
      from: gitFile(before.get(path), path, contentsBefore),
      to: gitFile(after.get(path), path, contentsAfter),
    }),
  )
  return { changes, ignoreFiles }
}

async function* filesIn(files: AsyncIterable<TreeFile>): AsyncGenerator<{ path: string; file: TreeFile }> {
  for await (const file of files) {
    const path = fromPathText(file.path).toString('latin1')
    // Whoever keeps such files says what changed by itself.
    if (file.large !== undefined) throw new AppError('sandbox_bad_request', `${file.path} is too large to be compared.`)
    if (!/^0?4/.test(file.mode) && !GIT_DIRECTORY.test(path)) yield { path, file }
  }
}

function knownOf(file: TreeFile): Known {
  return { mode: modeOf(file), hash: createHash('sha256').update(file.data).digest('base64') }
}

/** The contents of some files of a checkpoint, which is read through when the first of them is asked for. */
function contents(
  read: () => AsyncIterable<TreeFile>,
  paths: ReadonlySet<string>,
): () => Promise<ReadonlyMap<string, Uint8Array>> {
  const collect = async (): Promise<ReadonlyMap<string, Uint8Array>> => {
    const held = new Map<string, Uint8Array>()
    let bytes = 0
    for await (const { path, file } of filesIn(read())) {
      if (!paths.has(path)) continue
      bytes += file.data.length
      if (bytes > MAX_HELD_BYTES) {
        throw new AppError('body_too_large', 'The change is more than 64 MiB; use the archive.')
      }
      // A copy: the sandbox may hold the file in a larger piece of memory.
      held.set(path, Uint8Array.from(file.data))
    }
    return held
  }
  let collected: Promise<ReadonlyMap<string, Uint8Array>> | null = null
  return () => (collected ??= collect())
}

function modeOf({ mode }: TreeFile): GitFile['mode'] {
  if (mode === '120000') return '120000'
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? '100644' : '100755'
}

function gitFile(
  known: Known | undefined,
  path: string,
  held: () => Promise<ReadonlyMap<string, Uint8Array>>,
): GitFile | null {
  if (known === undefined) return null
  return {
    mode: known.mode,
    read: async () => {
      const data = (await held()).get(path)
      if (data === undefined) throw new AppError('sandbox_bad_request', 'The checkpoint changed while it was read.')
      return data
    },
  }
}
