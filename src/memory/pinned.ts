import type { Db } from '../db/client.ts'
import { readTaskRecords, type TaskRecord } from '../db/task/task-records.ts'
import { getTask } from '../db/task/tasks.ts'
import { lastingNotices } from '../db/turn/compactions.ts'
import { projectMemory } from '../db/turn/memory.ts'
import type { LaneName } from '../db/turn/turns.ts'
import type { ModelProfile } from '../model/profiles.ts'
import type { PlanItem } from '../shared/plan.ts'
import { summariesBlock, summariesTokens } from './memory-text.ts'
import { summariesOf } from './pin-memory.ts'

/** What must outlast a compaction. */
export interface Pinned extends Pick<TaskRecord, 'requests' | 'findings' | 'checks' | 'files' | 'stat'> {
  /** What the agent means to do, as it said last. */
  readonly plan: readonly PlanItem[]
  /** Facts that stand nowhere else in the prompt. */
  readonly facts: readonly string[]
  /** The summaries of earlier tasks whose messages go, as one text. */
  readonly earlier: string | null
  /** What the harness told the lane: a review's prompt, a fix round, a new project context. */
  readonly notices: readonly string[]
}

/** Which lane's memory is wanted, up to which of its turns, and what it is told elsewhere anyway. */
export interface PinnedAsk {
  readonly taskId: string
  readonly projectId: string
  readonly lane: LaneName
  /** What later turns were told stays as it is. */
  readonly throughTurn: number
  readonly profile: ModelProfile
  /** What is told besides, whatever is compacted: the static prefix, and the blocks of the task's opening. */
  readonly system: readonly string[]
  /** Earlier tasks whose messages go, oldest first, and the place of the first one in the conversation. */
  readonly earlier: readonly string[]
  /** Those of which this conversation, a fork, has only the beginning. */
  readonly forkedWithin: readonly string[]
  readonly firstNumber: number
}

/**
 * What of a task must outlast a compaction of one of its lanes, as it stands now. A reviewer's lane pins what the
 * harness told it: its prompt holds the request, the change and what is open, and it knows nothing else.
 */
export async function readPinned(db: Db, at: PinnedAsk): Promise<Pinned> {
  const notices = await lastingNotices(db, at.taskId, at.lane, at.throughTurn)
  if (at.lane !== 'coder') return { ...NOTHING, notices }
  const [records, memory, summaries, { plan }] = await Promise.all([
    readTaskRecords(db, [at.taskId]),
    projectMemory(db, at.projectId),
    summariesOf(db, at.earlier, at.forkedWithin),
    getTask(db, at.taskId),
  ])
  const prefix = at.system.join('\n')
  const { requests, findings, checks, files, stat } = records[0] ?? NOTHING
  return {
    // What is claimed by a later turn stands there.
    requests: requests.filter((request) => request.turn !== null && request.turn <= at.throughTurn),
    facts: memory.facts.map((fact) => fact.text).filter((fact) => !prefix.includes(`- ${fact}\n`)),
    earlier: summariesBlock(summaries, { maxTokens: summariesTokens(at.profile), firstNumber: at.firstNumber }),
    notices,
    plan,
    findings,
    checks,
    files,
    stat,
  }
}

const NOTHING: Pinned = {
  requests: [],
  plan: [],
  facts: [],
  earlier: null,
  notices: [],
  findings: [],
  checks: [],
  files: [],
  stat: { files: 0, added: 0, removed: 0 },
}
