/** Assembles a lane from what the database holds: the journal so far, the static prefix, the limits. */

import type { Journal } from '../agent/journal.ts'
import type { Lane } from '../agent/lane.ts'
import { CODER_PROMPT } from '../agent/prompts/coder.ts'
import { coderTools } from '../agent/tools/registry.ts'
import type { Tool } from '../agent/tools/tool.ts'
import { contextByHash } from '../db/contexts.ts'
import {
  beginModelCall,
  beginTurn,
  finishTools,
  interruptTurn,
  type JournalTurn,
  type Lane as LaneName,
  readTurns,
  recordSpent,
  startTool,
  storeReply,
  warnBudget,
} from '../db/journal.ts'
import { conversationTasks, type Task } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import { promptTokens } from '../model/profiles.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import { isOver } from '../shared/task.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, endsTask } from './run-activity.ts'

/** Earlier tasks are told to the model again while their last prompt left this share of the window free. */
const EARLIER_SHARE = 0.5

export interface LaneAsk {
  readonly name: LaneName
  readonly task: Task
  readonly lease: Lease
  readonly sandbox: Sandbox
  readonly run: ActivityRun
}

/** The coder's lane: the conversation's earlier tasks, then this one. */
export async function openCoderLane(deps: ActivityDeps, ask: LaneAsk): Promise<Lane> {
  const { task } = ask
  const tasks = await conversationTasks(deps.db, task.conversationId)
  const before = tasks.filter(
    (other) => other.id !== task.id && isOver(other.status) && other.createdAt <= task.createdAt,
  )
  const turns = await readTurns(deps.db, [...before.map((other) => other.id), task.id], 'coder')
  const profile = deps.profileOf(task.model)
  const context = task.contextHash === null ? null : await contextByHash(deps.db, task.projectId, task.contextHash)
  const last = before.at(-1)
  return assembleLane(deps, ask, {
    system: [CODER_PROMPT, ...(context ? [`# The project\n\n${context.markdown}`] : [])],
    tools: coderTools,
    earlier: withinReach(
      turns.filter((turn) => turn.taskId !== task.id),
      profile.contextTokens * EARLIER_SHARE,
    ),
    turns: turns.filter((turn) => turn.taskId === task.id),
    firstNotes: last?.status === 'cancelled' ? [INTERRUPTED_NOTE] : [],
    limits: { maxUsd: task.maxUsd, maxTurns: task.maxTurns, maxMinutes: task.maxMinutes },
    isAnswered: () => false,
  })
}

const INTERRUPTED_NOTE =
  'Notice: the user stopped the task before this one. What it had begun may be half done; look before you build on it.'

/** The newest earlier tasks whose turns fit, whole tasks only, oldest first. */
function withinReach(turns: readonly JournalTurn[], maxTokens: number): JournalTurn[] {
  const kept = new Set<string>()
  let used = 0
  for (const taskId of [...new Set(turns.map((turn) => turn.taskId))].reverse()) {
    const own = turns.filter((turn) => turn.taskId === taskId)
    used += own.reduce((sum, turn) => sum + sizeInTokens(turn), 0)
    if (used > maxTokens) break
    kept.add(taskId)
  }
  return turns.filter((turn) => kept.has(turn.taskId))
}

function sizeInTokens(turn: JournalTurn): number {
  const text = JSON.stringify(turn.userContent).length + JSON.stringify(turn.reply ?? []).length
  return Math.max(text / 4, Math.min(promptTokens(turn.usage), text / 3))
}

export interface LaneParts {
  readonly system: readonly string[]
  readonly tools: readonly Tool[]
  readonly earlier: readonly JournalTurn[]
  readonly turns: JournalTurn[]
  readonly firstNotes: readonly string[]
  readonly limits: Lane['limits']
  isAnswered(turn: JournalTurn): boolean
}

export function assembleLane(deps: ActivityDeps, ask: LaneAsk, parts: LaneParts): Lane {
  const { task, lease, run } = ask
  const own = parts.turns.reduce((sum, turn) => sum + (turn.costUsd ?? 0), 0)
  return {
    ...parts,
    name: ask.name,
    taskId: task.id,
    scope: { projectId: task.projectId, conversationId: task.conversationId, taskId: task.id },
    journal: bindJournal(deps, lease, ask.name),
    model: deps.model,
    profile: deps.profileOf(task.model),
    sandbox: ask.sandbox,
    usedElsewhere: { usd: Math.max(0, (task.costUsd ?? 0) - own), turns: 0 },
    startedAt: (task.startedAt ?? task.createdAt).getTime(),
    warned: new Set(task.budgetWarned),
    signal: run.signal,
    endsTask,
    publish: (delta) => deps.publisher.publishDelta(delta, lease.lease),
    onProgress: run.onProgress,
    newMessageId: () => newId('msg'),
  }
}

function bindJournal({ db }: ActivityDeps, lease: Lease, lane: LaneName): Journal {
  return {
    beginTurn: (begin) => beginTurn(db, lease, begin),
    beginModelCall: (turn) => beginModelCall(db, lease, turn),
    storeReply: (store) => storeReply(db, lease, store),
    startTool: (call, effect) => startTool(db, lease, call, effect),
    finishTools: (finished) => finishTools(db, lease, lane, finished),
    recordSpent: (spent) => recordSpent(db, lease, spent),
    interruptTurn: (turn, parts) => interruptTurn(db, lease, turn, parts),
    warnBudget: (marks) => warnBudget(db, lease, marks),
  }
}
