import { shownPath } from '../../sandbox/sources/shown-path.ts'
import { writeEntries } from '../../sandbox/sources/write-entries.ts'
import type { Sandbox, WorkspaceEntry } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { Merge } from './merge-upstream.ts'
import { HISTORY_SCRIPT } from './sync-script.ts'

type Merged = Extract<Merge, { kind: 'merged' }>

const COMMAND_MS = 60_000
const BUNDLE = '.git/keelson-sync.bundle'
/** As many bytes of paths are given to one command. */
const BATCH_BYTES = 1024 * 1024

/**
 * Makes a project's files those of a merge: only what the merge changed is touched. Throws `project_source_failed` naming
 * what cannot be written, and `sandbox_*`; what was done by then stays, the caller goes back. Safe to repeat.
 */
export async function applyMerge(sandbox: Sandbox, merge: Merged, check: () => void): Promise<void> {
  const odd = [...merge.removed, ...merge.written].find((path) => !isUtf8(path))
  if (odd !== undefined) {
    throw new AppError('project_source_failed', `${shownPath(odd)} changed upstream, and its name is not UTF-8.`)
  }
  await removeAll(sandbox, merge.removed)
  for (const path of merge.written) {
    // What git tracks there is gone by now, so only empty directories can be left.
    const text = Buffer.from(path, 'latin1').toString()
    if ((await sandbox.stat(text))?.kind === 'directory') await sandbox.remove(text)
  }
  await writeEntries(sandbox, only(merge.files(), merge.written), {
    check,
    onProgress: () => undefined,
    note: () => undefined,
  })
}

/**
 * Gives the project's own git the new commits, inside its own sandbox. False when that git is not as a clone leaves it, or
 * there are too many: the files are right all the same.
 */
export async function moveHistory(
  sandbox: Sandbox,
  merge: Pick<Merged, 'tip' | 'bundle'>,
  { base, branch }: { readonly base: string; readonly branch: string | undefined },
): Promise<boolean> {
  if (merge.bundle === null || (await sandbox.stat('.git'))?.kind !== 'directory') return false
  await sandbox.write([{ path: BUNDLE, data: merge.bundle }])
  const argv = ['sh', '-c', HISTORY_SCRIPT, 'history', BUNDLE, merge.tip, base, branch ?? '']
  return (await runQuietly(sandbox, argv)) === 0
}

async function removeAll(sandbox: Sandbox, paths: readonly string[]): Promise<void> {
  let batch: string[] = []
  let bytes = 0
  const flush = async () => {
    if (batch.length === 0) return
    const input = Buffer.from(batch.map((path) => `./${path}\0`).join(''), 'latin1')
    // Git removes a directory with its last file, so this does too.
    const script = `list=$(mktemp) && cat > "$list" && xargs -0 -a "$list" rm -f -- &&
      { xargs -0 -a "$list" -n 1 dirname -z | sort -zru | xargs -0 -r rmdir -p --ignore-fail-on-non-empty -- 2>/dev/null || true; }`
    if ((await runQuietly(sandbox, ['bash', '-c', script], input)) !== 0) {
      throw new AppError('project_source_failed', 'Files that are gone upstream could not be removed here.')
    }
    batch = []
    bytes = 0
  }
  for (const path of paths) {
    batch.push(path)
    bytes += path.length
    if (bytes > BATCH_BYTES) await flush()
  }
  await flush()
}

async function runQuietly(sandbox: Sandbox, argv: readonly string[], stdin?: Uint8Array): Promise<number | null> {
  const execId = `sync.${newId('req')}`
  const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'core.hooksPath', GIT_CONFIG_VALUE_0: '/dev/null' }
  await sandbox.start({ execId, taskId: 'keelson', argv, env, ...(stdin && { stdin }), timeoutMs: COMMAND_MS })
  const options = { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: COMMAND_MS }
  return (await sandbox.poll(execId, options)).state.exitCode
}

async function* only(
  entries: AsyncIterable<WorkspaceEntry>,
  paths: ReadonlySet<string>,
): AsyncGenerator<WorkspaceEntry> {
  for await (const entry of entries) {
    if (entry.kind !== 'directory' && paths.has(Buffer.from(entry.path).toString('latin1'))) yield entry
  }
}

function isUtf8(path: string): boolean {
  const bytes = Buffer.from(path, 'latin1')
  return Buffer.from(bytes.toString()).equals(bytes)
}
