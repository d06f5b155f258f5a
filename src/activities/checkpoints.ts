import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Attempt } from '../db/task/attempt.ts'
import { getTask, type Task } from '../db/task/tasks.ts'
import type { JournalTurn } from '../db/turn/turns.ts'
import { type NewCheckpoint, recordCheckpoint, recordLeftOut } from '../db/workspace/checkpoints.ts'
import type { NewEvent } from '../events/topics.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { MAX_FILE_EVENTS } from '../shared/event-bounds.ts'
import { newId } from '../shared/ids.ts'
import { diffStatOf } from '../shared/task.ts'
import { knownPathOf } from '../tools/workspace-path.ts'
import { changesFiles, turnLabel } from './checkpoint-label.ts'
import type { ActivityDeps } from './deps.ts'

/** Paths that a turn's commands changed, between two trees. */
export interface ShellChanges {
  readonly paths: readonly string[]
  readonly from: string
  readonly tree: string
  readonly turn: number
}

/** How a checkpoint is stored with the events that say so. */
export type RecordCheckpoint = (checkpoint: NewCheckpoint, events: readonly NewEvent[]) => Promise<void>

/**
 * Stores the workspace's tree when it differs from the task's latest one, and tells the stream which files changed:
 * those that no tool announced were changed by a command. Returns the tree. Safe to repeat.
 */
export async function takeCheckpoint(
  deps: ActivityDeps,
  at: {
    task: Task
    attempt: Attempt
    sandbox: Sandbox
    turn: number
    label: string
    toolPaths: ReadonlySet<string>
    /** Told of what no tool announced, before it is recorded. */
    onShellChanges?(changes: ShellChanges): Promise<void>
  },
  record: RecordCheckpoint = (checkpoint, events) => recordCheckpoint(at.attempt, checkpoint, events),
): Promise<string> {
  const { task, attempt, sandbox } = at
  const tree = await sandbox.checkpoint()
  const from = task.latestTree ?? task.startTree
  if (tree === from || task.startTree === null || from === null) return tree
  const [recent, whole] = await Promise.all([
    sandbox.changes(from, tree),
    from === task.startTree ? null : sandbox.changes(task.startTree, tree),
  ])
  const stat = diffStatOf(whole ?? recent)
  hitCrashPoint('checkpoint.before_record')
  const checkpointId = newId('ckp')
  const scope = { ...attempt.scope, turn: at.turn }
  const changed = recent.filter((change) => !at.toolPaths.has(change.path))
  if (changed.length > 0) {
    await at.onShellChanges?.({ paths: changed.map(({ path }) => path), from, tree, turn: at.turn })
  }
  const events: NewEvent[] = changed.slice(0, MAX_FILE_EVENTS).map(({ path, kind, added, removed }) => ({
    type: 'file.changed',
    key: `file.changed:${attempt.scope.taskId}:${at.turn}:${tree}:${path}`,
    scope,
    payload: { path, kind, added, removed, source: 'shell' },
  }))
  const key = `${attempt.scope.taskId}:${at.turn}:${tree}`
  events.push({ type: 'diff.updated', key: `diff.updated:${key}`, scope, payload: { stat } })
  const payload = { checkpointId, treeHash: tree, label: at.label, stat }
  events.push({ type: 'checkpoint.created', key: `checkpoint.created:${key}`, scope, payload })
  const checkpoint = { id: checkpointId, turn: at.turn, treeHash: tree, label: at.label, stat }
  await record(checkpoint, events)
  return tree
}

/**
 * Looks what changed in places that checkpoints do not hold since the task began, notes it and tells the stream when it is
 * not what was noted before. Safe to repeat.
 */
export async function noteLeftOut(
  deps: ActivityDeps,
  { attempt, sandbox }: { readonly attempt: Attempt; readonly sandbox: Sandbox },
): Promise<void> {
  const { scope } = attempt
  const { taskId } = scope
  const { startTree, leftOut: known, diffStat: stat } = await getTask(deps.db, taskId)
  if (startTree === null) return
  const leftOut = await sandbox.leftOutSince(taskId)
  if (isDeepStrictEqual(leftOut, known)) return
  const mark = createHash('sha256').update(JSON.stringify(leftOut)).digest('hex').slice(0, 16)
  await recordLeftOut(attempt, leftOut, [
    {
      type: 'diff.updated',
      key: `diff.updated:${taskId}:left-out:${attempt.lease}:${mark}`,
      scope,
      payload: { stat, leftOut },
    },
  ])
}

/** Takes an attempt's checkpoints after its turns, each recorded once with the events of what changed. */
export interface Checkpointer {
  /** Takes a checkpoint after a turn whose tools may have changed files; turns that only read cost nothing. */
  afterTools(turn: JournalTurn): Promise<void>
  /** The same, whatever the turn did: for what an attempt that died may have left. */
  after(turn: JournalTurn): Promise<void>
  /** Files were put back behind its back: later changes count from this tree. */
  moveTo(tree: string): void
}

/** A slice's checkpoints, one for each turn that changed files. */
export function createCheckpointer(
  deps: ActivityDeps,
  at: {
    attempt: Attempt
    sandbox: Sandbox
    onShellChanges?(changes: ShellChanges): Promise<void>
  },
  record: RecordCheckpoint,
): Checkpointer {
  let { task } = at.attempt
  const after = async (turn: JournalTurn): Promise<void> => {
    const toolPaths = toolPathsOf(turn, at.sandbox.root)
    const tree = await takeCheckpoint(deps, { ...at, task, turn: turn.turn, label: turnLabel(turn), toolPaths }, record)
    task = { ...task, latestTree: tree }
  }
  return {
    after,
    moveTo(tree) {
      task = { ...task, latestTree: tree }
    },
    async afterTools(turn) {
      if (turn.toolCalls.some((call) => changesFiles(call.name))) await after(turn)
    },
  }
}

/** Paths that file tools of a turn wrote; their change was told to the stream already. */
function toolPathsOf(turn: JournalTurn, root: string): Set<string> {
  const paths = new Set<string>()
  for (const call of turn.toolCalls) {
    if (call.isError || call.name === 'read') continue
    const path = knownPathOf(call.name, JSON.parse(call.input), root)
    if (path !== null) paths.add(path)
  }
  return paths
}
