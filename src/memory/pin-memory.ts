/**
 * What a task is told of the conversation and the project, decided at its first turn and kept: the messages of earlier
 * tasks while they fit, summaries of those before, and the facts. A retry, another worker and the last turn see the same.
 */

import type { Db } from '../db/client.ts'
import type { Attempt } from '../db/task/attempt.ts'
import { readTaskRecords } from '../db/task/task-records.ts'
import {
  projectMemory,
  saveSummaries,
  saveTaskMemory,
  type TaskMemory,
  type TaskSummary,
  taskMemory,
  taskSizes,
  taskSummaries,
  toldOpenings,
} from '../db/turn/memory.ts'
import type { ModelProfile } from '../model/profiles.ts'
import { contextBlock, factsBlock, summariesBlock, summariesTokens } from './memory-text.ts'
import { openingOf } from './opening.ts'
import { chooseReach } from './reach.ts'
import { summarizeTask } from './task-summary.ts'

/** Of the tokens at which a history is compacted, how many earlier tasks' messages may take: the rest is room to work. */
const REACH_SHARE = 0.5
/** Of the newest tasks that never got a summary, how many get one now: the others are known by their number. */
const MAX_LATE_SUMMARIES = 200
const BYTES_PER_TOKEN = 4
const FORKED = 'This conversation was forked in the middle of this task: what it did later did not happen here.'

/**
 * The memory of a task, fixed at its first turn. `before` are the conversation's earlier tasks that are over, oldest
 * first. Safe to repeat; throws `lease_lost`, `store_unavailable`.
 */
export async function pinMemory(
  attempt: Attempt,
  ask: {
    readonly before: readonly string[]
    /** Those of which this conversation, a fork, has only the beginning. */
    readonly forkedWithin: readonly string[]
    readonly profile: ModelProfile
    /** The project context that the task begins with, or null. */
    readonly context: string | null
    /** Whether the task has had turns, which then began without a memory: an older version of this program ran them. */
    readonly isUnderWay: boolean
  },
): Promise<TaskMemory> {
  const { db } = attempt
  const pinned = await taskMemory(db, attempt.scope.taskId)
  // Before its first turn nobody has been told: the context may have been made anew since.
  if (pinned && ask.isUnderWay) return pinned
  const { before } = ask
  const last = before.at(-1)
  const [sizes, memoryBefore, memory] = await Promise.all([
    before.length === 0 ? new Map<string, number>() : taskSizes(db, before),
    last === undefined ? null : taskMemory(db, last),
    projectMemory(db, attempt.scope.projectId),
  ])
  const tasks = before.map((taskId) => ({ taskId, tokens: tokensOf(sizes.get(taskId) ?? 0, ask.profile) }))
  const whole = chooseReach(tasks, memoryBefore?.whole ?? null, reachTokens(ask.profile))
  if (ask.isUnderWay) return await saveTaskMemory(attempt, { whole, blocks: [], opening: null, factsVersion: 0 })
  const [summaries, told] = await Promise.all([
    summariesOf(db, before.slice(0, before.length - whole.length), ask.forkedWithin),
    whole.length === 0 ? [] : toldOpenings(db, whole),
  ])
  const known = {
    context: ask.context === null ? null : contextBlock(ask.context),
    facts: factsBlock(memory.facts),
    summaries: summariesBlock(summaries, { maxTokens: summariesTokens(ask.profile) }),
  }
  const blocks = Object.values(known).filter((block) => block !== null)
  const opening = openingOf(known, { whole, told, factsVersion: memory.version })
  return await saveTaskMemory(attempt, { whole, blocks, opening, factsVersion: memory.version })
}

/** How many tokens of earlier tasks' messages a model is given at most. */
function reachTokens(profile: ModelProfile): number {
  return Math.floor(Math.min(profile.contextTokens, profile.compactAtTokens) * REACH_SHARE)
}

function tokensOf(bytes: number, profile: ModelProfile): number {
  return Math.ceil((bytes / BYTES_PER_TOKEN) * profile.tokenFactor)
}

/**
 * The summaries of these tasks in their order; those that are missing are made now. One of a task in whose middle the
 * conversation was forked says so, since its end did not happen here.
 */
export async function summariesOf(
  db: Db,
  taskIds: readonly string[],
  forkedWithin: readonly string[],
): Promise<TaskSummary[]> {
  if (taskIds.length === 0) return []
  const stored = await taskSummaries(db, taskIds)
  const known = new Map(stored.map((summary) => [summary.taskId, summary]))
  const missing = taskIds.filter((taskId) => !known.has(taskId)).slice(-MAX_LATE_SUMMARIES)
  for (const summary of await writeSummaries(db, missing)) known.set(summary.taskId, summary)
  return taskIds.map((taskId) => {
    const summary = known.get(taskId) ?? { taskId, name: 'not recorded', text: 'Not recorded.' }
    return forkedWithin.includes(taskId) ? { ...summary, text: `${FORKED}\n${summary.text}` } : summary
  })
}

/** Makes and stores the summaries of tasks that are over. Safe to repeat: the first one made stays. */
export async function writeSummaries(db: Db, taskIds: readonly string[]): Promise<TaskSummary[]> {
  if (taskIds.length === 0) return []
  const summaries = (await readTaskRecords(db, taskIds)).map(summarizeTask)
  await saveSummaries(db, summaries)
  return summaries
}
