/** Assembles a lane from what the database holds: the journal so far, the static prefix, the limits. */

import { createBudgetGate } from '../agent/budget.ts'
import { withoutUnfit } from '../agent/history.ts'
import type { Lane } from '../agent/lane.ts'
import { NOBODY, type People } from '../agent/people.ts'
import { CODER_PROMPT } from '../agent/prompts/coder.ts'
import { contextByHash } from '../db/project/contexts.ts'
import type { Attempt } from '../db/task/attempt.ts'
import { readBudget } from '../db/task/budgets.ts'
import { conversationTasks } from '../db/task/tasks.ts'
import { Journal } from '../db/turn/journal.ts'
import { type TaskMemory, type ToldOpening, toldOpenings } from '../db/turn/memory.ts'
import { type JournalTurn, type LaneName, readTurns } from '../db/turn/turns.ts'
import { inheritedTasks } from '../db/workspace/forks.ts'
import { restoresToTell } from '../db/workspace/restores.ts'
import { contextBlock } from '../memory/memory-text.ts'
import { openingText } from '../memory/opening.ts'
import { pinMemory } from '../memory/pin-memory.ts'
import { readPinned } from '../memory/pinned.ts'
import { restoreNotices } from '../restore/restore-notices.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { newId } from '../shared/ids.ts'
import { isOver } from '../shared/task.ts'
import { coderTools } from '../tools/registry.ts'
import type { Tool } from '../tools/tool.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, endsTask } from './run-activity.ts'
import { createServiceDesk } from './service-desk.ts'

/** Whose lane is opened: the coder's or a reviewer's, by one attempt, on its sandbox. */
export interface LaneAsk {
  readonly name: LaneName
  readonly attempt: Attempt
  readonly sandbox: Sandbox
  readonly run: ActivityRun
}

/** What the coder's lane wants besides. */
export interface CoderAsk extends LaneAsk {
  readonly people: People
}

/** The coder's lane: the conversation's earlier tasks, then this one. */
export async function openCoderLane(deps: ActivityDeps, ask: CoderAsk): Promise<Lane> {
  const { task } = ask.attempt
  const [tasks, inherited] = await Promise.all([
    conversationTasks(deps.db, task.conversationId),
    inheritedTasks(deps.db, task.conversationId),
    deps.limitsReady(),
  ])
  const cuts = new Map(inherited.map(({ taskId, throughTurn }) => [taskId, throughTurn ?? Infinity]))
  const forkedWithin = inherited.filter(({ throughTurn }) => throughTurn !== null).map(({ taskId }) => taskId)
  const before = tasks.filter(
    (other) => other.id !== task.id && isOver(other.status) && other.createdAt <= task.createdAt,
  )
  const context = task.contextHash === null ? null : await contextByHash(deps.db, task.projectId, task.contextHash)
  const memory = await pinMemory(ask.attempt, {
    before: before.map((other) => other.id),
    forkedWithin,
    profile: deps.profileOf(task.model),
    context: context?.markdown ?? null,
    isUnderWay: task.turn > 0,
  })
  const [turns, openings] = await Promise.all([
    readTurns(deps.db, [...memory.whole, task.id], 'coder'),
    memory.whole.length === 0 ? [] : toldOpenings(deps.db, memory.whole),
  ])
  const isNew = !turns.some((turn) => turn.taskId === task.id)
  const restores = isNew ? await restoresToTell(deps.db, task, MAX_TOLD_RESTORES) : []
  const last = before.at(-1)
  const unfit = new Set(
    before.filter(({ reason }) => reason?.code === 'model_context_exceeded').map((other) => other.id),
  )
  return assembleLane(deps, ask, {
    ...prefixOf(memory, context?.markdown ?? null),
    tools: coderTools,
    earlier: withOpenings(
      turns
        .filter((turn) => turn.taskId !== task.id && turn.turn <= (cuts.get(turn.taskId) ?? Infinity))
        .map((turn) => (unfit.has(turn.taskId) ? withoutUnfit(turn) : turn)),
      openings,
    ),
    earlierTasks: { ids: memory.whole, forkedWithin, firstNumber: before.length - memory.whole.length + 1 },
    turns: turns.filter((turn) => turn.taskId === task.id),
    firstNotes: [...(last?.status === 'cancelled' ? [INTERRUPTED_NOTE] : []), ...restoreNotices(restores)],
    maxTurns: null,
    people: ask.people,
    isAnswered: () => false,
  })
}

/**
 * The static prefix, which is the same for every task, and what the first message opens with. A task that began with an
 * earlier version keeps the prefix that it had, with the context and the memory in it.
 */
function prefixOf({ opening, blocks }: TaskMemory, context: string | null): Pick<LaneParts, 'system' | 'opening'> {
  if (opening !== null) {
    return { system: [CODER_PROMPT], opening: { first: openingText(opening), compacted: openingText(blocks) } }
  }
  const system = [CODER_PROMPT, ...(context === null ? [] : [contextBlock(context)]), ...blocks]
  return { system }
}

/** Each task's first turn as it was told. */
function withOpenings(turns: readonly JournalTurn[], openings: readonly ToldOpening[]): JournalTurn[] {
  const texts = new Map(openings.map(({ taskId, blocks }) => [taskId, openingText(blocks)]))
  return turns.map((turn, index) =>
    turns[index - 1]?.taskId === turn.taskId ? turn : { ...turn, opening: texts.get(turn.taskId) ?? null },
  )
}

const MAX_TOLD_RESTORES = 5

const INTERRUPTED_NOTE =
  'Notice: the user stopped the task before this one. What it had begun may be half done; look before you build on it.'

/** What a lane is made of, before its journal and its calls to the model are put around it. */
export interface LaneParts {
  readonly system: readonly string[]
  /** None for a reviewer, whose prompt says all it needs. */
  readonly opening?: NonNullable<Lane['opening']>
  readonly tools: readonly Tool[]
  readonly earlier: readonly JournalTurn[]
  /** The tasks of `earlier` and the place of the first one in the conversation; none for a reviewer. */
  readonly earlierTasks?: {
    readonly ids: readonly string[]
    readonly forkedWithin: readonly string[]
    readonly firstNumber: number
  }
  readonly turns: JournalTurn[]
  readonly firstNotes: readonly string[]
  readonly maxTurns: Lane['maxTurns']
  /** Nobody when left out. */
  readonly people?: People
  isAnswered(turn: JournalTurn): boolean
}

/**
 * The lane that the loop works on: its prompt, tools, journal and the events that tell of its turns. Reads and writes nothing
 * yet.
 */
export function assembleLane(deps: ActivityDeps, ask: LaneAsk, parts: LaneParts): Lane {
  const { attempt, run } = ask
  const { task, scope } = attempt
  const { earlierTasks, people = NOBODY, ...own } = parts
  const profile = deps.profileOf(task.model)
  const { ids, forkedWithin, firstNumber } = earlierTasks ?? { ids: [], forkedWithin: [], firstNumber: 1 }
  const told = {
    system: [...parts.system, parts.opening?.compacted ?? ''],
    profile,
    earlier: ids,
    forkedWithin,
    firstNumber,
  }
  const journal = new Journal(attempt, ask.name, deps.budgets)
  return {
    ...own,
    people,
    compaction: null,
    dropped: new Set(),
    name: ask.name,
    taskId: task.id,
    scope,
    journal,
    readPinned: (throughTurn) => readPinned(deps.db, { ...told, ...scope, lane: ask.name, throughTurn }),
    model: deps.model,
    profile,
    learnLimits(limits) {
      deps.learnLimits(task.model, limits)
      return deps.profileOf(task.model)
    },
    sandbox: ask.sandbox,
    services: ask.name === 'coder' ? createServiceDesk(deps.db, ask.sandbox) : undefined,
    budget: createBudgetGate({
      warned: task.budgetWarned,
      read: () => readBudget(deps.db, task.id, deps.budgets),
      warn: (marks) => journal.warnBudget(marks),
    }),
    signal: run.signal,
    endsTask,
    publish: (delta) => deps.publisher.publishDelta(delta, attempt.lease),
    onRepair: (call, reason) => deps.logRepair?.({ taskId: task.id, lane: ask.name, ...call, reason }),
    onProgress: run.onProgress,
    newMessageId: () => newId('msg'),
  }
}
