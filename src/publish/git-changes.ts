import { fromPathText } from '../sandbox/tree-file-path.ts'
import type { GitChange, GitChanges, GitFile, Sandbox, TreeFile } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'

const GIT_DIRECTORY = /(^|\/)(\.git|git~1)[ .]*(\/|$)/i
const IGNORE_FILE = /(^|\/)\.gitignore$/

/**
 * What git would see between two checkpoints, from a sandbox of any kind: one that cannot say it gives its files, and they
 * are compared here. Throws `sandbox_bad_request` when more than `maxFiles` differ, and the `sandbox_*` codes.
 */
export async function gitChangesIn(sandbox: Sandbox, from: string, to: string, maxFiles: number): Promise<GitChanges> {
  if (sandbox.gitChanges) return await sandbox.gitChanges(from, to, maxFiles)
  if (!sandbox.treeFiles) throw new AppError('sandbox_bad_request', 'This kind of sandbox gives no patches.')
  const before = await filesIn(sandbox.treeFiles(from))
  const after = await filesIn(sandbox.treeFiles(to))
  const changes: GitChange[] = []
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [was, is] = [before.get(path), after.get(path)]
    if (was && is && modeOf(was) === modeOf(is) && Buffer.from(was.data).equals(is.data)) continue
    changes.push({ path: Buffer.from(path, 'latin1'), from: was ? gitFile(was) : null, to: is ? gitFile(is) : null })
    if (changes.length > maxFiles) {
      throw new AppError('sandbox_bad_request', `More than ${maxFiles} files changed; use the archive.`)
    }
  }
  const ignoreFiles = [...after]
    .filter(([path, file]) => IGNORE_FILE.test(path) && modeOf(file) !== '120000')
    .map(([path, { data }]) => ({ path: Buffer.from(path, 'latin1'), data }))
  return { changes, ignoreFiles }
}

async function filesIn(files: AsyncIterable<TreeFile>): Promise<Map<string, TreeFile>> {
  const found = new Map<string, TreeFile>()
  for await (const file of files) {
    const path = fromPathText(file.path).toString('latin1')
    if (!/^0?4/.test(file.mode) && !GIT_DIRECTORY.test(path)) found.set(path, file)
  }
  return found
}

function modeOf({ mode }: TreeFile): GitFile['mode'] {
  if (mode === '120000') return '120000'
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? '100644' : '100755'
}

function gitFile(file: TreeFile): GitFile {
  return { mode: modeOf(file), read: () => Promise.resolve(file.data) }
}
