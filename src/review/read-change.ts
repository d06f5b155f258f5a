import { isSecretPath } from '../project/secret-paths.ts'
import type { FileChange, Sandbox } from '../sandbox/types.ts'
import { changedLines } from './diff-lines.ts'
import { isGenerated } from './generated-paths.ts'
import { ignoredPaths } from './ignored-paths.ts'

const MAX_DIFF_BYTES = 200_000
/** Of one generated file, and of a written one that leaves room for others. */
const MAX_GENERATED_BYTES = 20_000
const MIN_PART_BYTES = 2_000
const MAX_CALLS = 40
const FILES_A_CALL = 200
/** A guess, for planning alone; a file's head names its path up to four times. */
const BYTES_A_LINE = 60
const BYTES_A_FILE = 100
const PATHS_A_HEAD = 4

/** A change as a reviewer is shown it. */
export interface ShownChange {
  /** Everything that differs, in order of paths. */
  readonly changes: readonly FileChange[]
  /** Unified diffs: what people write before what programs make. */
  readonly patch: string
  /** Files whose diff is not in `patch`, or not all of it. */
  readonly unseen: ReadonlySet<string>
  /** Files that are named only, since they hold secrets by convention or git ignores them; `unseen` too. */
  readonly withheld: readonly string[]
}

/**
 * What differs between two trees within a reviewer's room of 200 KB: first the files that people write, small ones first, so
 * that no large one hides another; then generated ones, of each at most 20 KB. Reads only; at most 40 diffs are asked for.
 * Safe to repeat with the same `execId`. Throws `sandbox_*` and `signal.reason`.
 */
export async function readChange(
  sandbox: Sandbox,
  trees: { readonly from: string; readonly to: string },
  ask: { readonly taskId: string; readonly execId: string; readonly signal: AbortSignal },
): Promise<ShownChange> {
  const changes = await sandbox.changes(trees.from, trees.to)
  const named = changes.filter(({ path }) => !isSecretPath(path)).map(({ path }) => path)
  const ignored = await ignoredPaths(sandbox, named, ask)
  const isWithheld = ({ path }: FileChange) => isSecretPath(path) || ignored.has(path)
  const unseen = new Set(changes.filter(isWithheld).map(({ path }) => path))
  const withheld = [...unseen]
  const queue = inOrder(changes.filter((change) => !isWithheld(change)))
  const parts: string[] = []
  let leftBytes = MAX_DIFF_BYTES
  for (let calls = 0; queue.length > 0 && calls < MAX_CALLS && leftBytes >= MIN_PART_BYTES; calls++) {
    const batch = nextBatch(queue, leftBytes)
    const paths = batch.files.map(({ path }) => path)
    const { patch, truncated } = await sandbox.diff(trees.from, trees.to, { maxBytes: batch.maxBytes, paths })
    if (truncated) for (const path of notWhole(paths, patch)) unseen.add(path)
    parts.push(patch.endsWith('\n') || patch === '' ? patch : `${patch}\n`)
    leftBytes -= Buffer.byteLength(patch)
  }
  for (const { path } of queue) unseen.add(path)
  return { changes, patch: parts.join(''), unseen, withheld }
}

function inOrder(changes: readonly FileChange[]): FileChange[] {
  const rank = (change: FileChange) => (change.binary || isGenerated(change) ? 1 : 0)
  return [...changes].sort((a, b) => rank(a) - rank(b) || linesOf(a) - linesOf(b) || (a.path < b.path ? -1 : 1))
}

function linesOf({ added, removed }: FileChange): number {
  return added + removed
}

/** Takes from the queue what probably fits, or the one file that does not with the room that it gets. */
function nextBatch(queue: FileChange[], leftBytes: number): { files: FileChange[]; maxBytes: number } {
  const files: FileChange[] = []
  let bytes = 0
  for (const change of queue.slice(0, FILES_A_CALL)) {
    bytes += BYTES_A_FILE + PATHS_A_HEAD * Buffer.byteLength(change.path) + BYTES_A_LINE * linesOf(change)
    if (bytes > leftBytes || (isGenerated(change) && bytes > MAX_GENERATED_BYTES)) break
    files.push(change)
  }
  if (files.length > 0) return { files: queue.splice(0, files.length), maxBytes: leftBytes }
  const [single] = queue.splice(0, 1)
  if (single === undefined) return { files: [], maxBytes: leftBytes }
  const isLast = queue.every(isGenerated)
  const room = isGenerated(single) ? MAX_GENERATED_BYTES : isLast ? leftBytes : leftBytes / 2
  return { files: [single], maxBytes: Math.floor(Math.min(leftBytes, room)) }
}

/** Of a patch that was cut: the file in which the cut fell, and those that do not occur. */
function notWhole(paths: readonly string[], patch: string): string[] {
  const whole = new Set([...changedLines(patch).keys()].slice(0, -1))
  return paths.filter((path) => !whole.has(path))
}
