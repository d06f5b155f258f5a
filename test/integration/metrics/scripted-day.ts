/** A day of 30 tasks in two projects, played through the functions that server and worker use, then put at its hours. */

import { finishRound, openRound } from '../../../src/db/review/reviews.ts'
import type { Attempt } from '../../../src/db/task/attempt.ts'
import { closeTask, requestCancel } from '../../../src/db/task/lifecycle.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { beginTurn } from '../../../src/db/turn/begin-turn.ts'
import { beginModelCall, recordSpent, storeReply } from '../../../src/db/turn/model-calls.ts'
import { finishTools, startTool } from '../../../src/db/turn/tool-calls.ts'
import type { JournalTurn, LaneName } from '../../../src/db/turn/turns.ts'
import { recordCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import { newId } from '../../../src/shared/ids.ts'
import type { Evidence, Finding, RoundVerdict } from '../../../src/shared/review.ts'
import type { Outcome } from '../../../src/shared/task.ts'
import type { TaskEnding } from '../../../src/shared/task-ending.ts'
import type { TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aRunningTask, type RunningTask } from '../../support/tasks.ts'

export const DAY = Date.UTC(2026, 10, 2)
const HOUR_MS = 3_600_000

export interface PlannedFinding {
  readonly criterionId?: string
  readonly severity: Finding['severity']
  readonly state: Finding['state']
  readonly human?: 'confirm' | 'dismiss'
}

export interface PlannedRound {
  readonly verdict: RoundVerdict
  readonly reviewerTurns: number
  readonly seconds: number
  readonly findings: readonly PlannedFinding[]
}

export interface PlannedTool {
  readonly name: 'bash' | 'write'
  readonly ms: number
  readonly fate?: 'failed' | 'lost'
}

export interface PlannedTask {
  readonly project: 0 | 1
  readonly hour: number
  /** One entry a coder's turn. */
  readonly turns: readonly (readonly PlannedTool[])[]
  readonly rounds: readonly PlannedRound[]
  readonly end: Outcome | 'failed' | 'cancelled' | 'running'
  /** null: the model has no known price. */
  readonly costUsd: number | null
  /** Milliseconds from the task's acceptance. */
  readonly firstTokenAt: number
  readonly firstChangeAt?: number
  readonly seconds: number
  /** Model calls of the first turn that broke off and cost this much each. */
  readonly brokenUsd?: readonly number[]
}

export const USAGE = { inputTokens: 100, outputTokens: 40, cacheReadTokens: 700, cacheWriteTokens: 200 }
export const BROKEN = { inputTokens: 50, outputTokens: 10, cacheReadTokens: 0, cacheWriteTokens: 0 }
export const REVIEWER_USD = 0.004
const FIRST_TOKEN_MS = 300
const REPLY_MS = 900

const blocking = { criterionId: 'correctness', severity: 'blocking' } as const
const fixRounds: readonly PlannedRound[] = [
  {
    verdict: 'issues_found',
    reviewerTurns: 2,
    seconds: 20,
    findings: [
      { ...blocking, state: 'fixed', human: 'confirm' },
      { criterionId: 'tests', severity: 'important', state: 'dismissed', human: 'dismiss' },
    ],
  },
  { verdict: 'approved', reviewerTurns: 1, seconds: 10, findings: [] },
]
const bash = (ms: number, fate?: PlannedTool['fate']): PlannedTool => ({ name: 'bash', ms, ...(fate ? { fate } : {}) })
const write = (ms: number): PlannedTool => ({ name: 'write', ms })

/** What each kind of task is; `nth` counts within the kind. */
const KINDS: readonly { readonly count: number; plan(nth: number): Omit<PlannedTask, 'project' | 'hour'> }[] = [
  {
    count: 10,
    plan: (nth) => ({
      turns: [[bash(100 + nth), write(10)], []],
      end: 'approved',
      costUsd: 0.01 + nth / 1_000,
      rounds: [{ verdict: 'approved', reviewerTurns: 1, seconds: 12, findings: [] }],
      firstTokenAt: 1_000 + nth * 10,
      firstChangeAt: 5_000 + nth * 100,
      seconds: 60 + nth,
    }),
  },
  {
    count: 5,
    plan: (nth) => ({
      turns: [[bash(200, 'failed'), write(20)], [write(30 + nth)], []],
      end: 'approved',
      costUsd: 0.02,
      rounds: fixRounds,
      firstTokenAt: 2_000,
      firstChangeAt: 9_000,
      seconds: 120,
      ...(nth === 0 ? { brokenUsd: [0.003, 0.002] } : {}),
    }),
  },
  {
    count: 2,
    plan: () => ({
      turns: [[write(15)], [bash(500)], []],
      end: 'approved_with_notes',
      costUsd: 0.03,
      rounds: [
        { verdict: 'checks_failed', reviewerTurns: 0, seconds: 30, findings: [] },
        {
          verdict: 'approved_with_notes',
          reviewerTurns: 1,
          seconds: 15,
          findings: [{ severity: 'note', state: 'open' }],
        },
      ],
      firstTokenAt: 1_500,
      firstChangeAt: 4_000,
      seconds: 200,
    }),
  },
  {
    count: 2,
    plan: () => ({
      turns: [[write(15)], []],
      end: 'issues_remaining',
      costUsd: 0.05,
      rounds: [
        {
          verdict: 'issues_found',
          reviewerTurns: 1,
          seconds: 25,
          findings: [{ ...blocking, state: 'open', human: 'confirm' }],
        },
        {
          verdict: 'issues_found',
          reviewerTurns: 1,
          seconds: 25,
          findings: [{ ...blocking, state: 'disputed', human: 'dismiss' }],
        },
      ],
      firstTokenAt: 1_200,
      firstChangeAt: 3_000,
      seconds: 300,
    }),
  },
  {
    count: 2,
    plan: () => ({
      turns: [[write(15)], []],
      end: 'inconclusive',
      costUsd: 0.01,
      rounds: [{ verdict: 'inconclusive', reviewerTurns: 2, seconds: 40, findings: [] }],
      firstTokenAt: 1_100,
      firstChangeAt: 2_500,
      seconds: 90,
    }),
  },
  {
    count: 3,
    plan: () => ({
      turns: [[]],
      rounds: [],
      end: 'no_changes',
      costUsd: 0.005,
      firstTokenAt: 900,
      seconds: 5,
    }),
  },
  {
    count: 2,
    plan: () => ({
      turns: [[write(12)], []],
      rounds: [],
      end: 'unreviewed',
      costUsd: null,
      firstTokenAt: 3_000,
      firstChangeAt: 6_000,
      seconds: 30,
    }),
  },
  {
    count: 2,
    plan: () => ({
      turns: [[bash(60_000, 'lost')]],
      rounds: [],
      end: 'cancelled',
      costUsd: 0.01,
      firstTokenAt: 800,
      seconds: 70,
    }),
  },
  {
    count: 1,
    plan: () => ({
      turns: [[bash(50)]],
      rounds: [],
      end: 'failed',
      costUsd: 0.01,
      brokenUsd: [0.007],
      firstTokenAt: 1_900,
      seconds: 40,
    }),
  },
  {
    count: 1,
    plan: () => ({
      turns: [[bash(80)]],
      rounds: [],
      end: 'running',
      costUsd: 0.01,
      firstTokenAt: 1_000,
      seconds: 0,
    }),
  },
]

/** Every third task is the second project's; the hours go round the day. The one that still runs is the last. */
export const PLAN: readonly PlannedTask[] = KINDS.flatMap(({ count, plan }) =>
  Array.from({ length: count }, (_, nth) => plan(nth)),
).map((task, index) => ({ ...task, project: index % 3 === 2 ? 1 : 0, hour: (index * 7) % 24 }))

/** Plays one task and moves it to its hour. */
export async function playTask(db: TestDb, projectId: string, plan: PlannedTask): Promise<void> {
  const model = plan.costUsd === null ? 'somebody-elses' : 'claude-haiku-4-5'
  const task = await aRunningTask(db, { projectId, model })
  for (const [index, tools] of plan.turns.entries()) {
    await playTurn(db, task, 'coder', { plan, tools, costUsd: plan.costUsd, broken: index === 0 ? plan.brokenUsd : [] })
  }
  const stat = { files: 1, added: 1, removed: 0 }
  if (plan.firstChangeAt !== undefined) {
    await recordCheckpoint(task.attempt, { id: newId('ckp'), turn: 1, treeHash: 'after', label: 'turn 1', stat }, [])
  }
  for (const [index, round] of plan.rounds.entries()) await playRound(db, task, index + 1, plan, round)
  await endTask(db, task, plan)
  await moveTask(db, task, plan)
}

interface TurnPlan {
  readonly plan: PlannedTask
  readonly tools: readonly PlannedTool[]
  readonly costUsd: number | null
  readonly broken?: readonly number[] | undefined
}

async function playTurn(db: TestDb, { attempt }: RunningTask, lane: LaneName, turn: TurnPlan): Promise<void> {
  const text = [{ type: 'text' as const, text: 'go on' }]
  const begun = await beginTurn(attempt, {
    lane,
    messageId: newId('msg'),
    toolResults: text,
    notes: [],
    idle: true,
  })
  if (!begun) throw new Error('there was nothing to say')
  for (const costUsd of turn.broken ?? []) {
    await recordSpent(attempt, { usage: BROKEN, costUsd })
    await beginModelCall(attempt, begun.turn)
  }
  const uses = turn.tools.map(({ name }) => ({ type: 'tool_use' as const, id: newId('req'), name, input: {} }))
  const content = uses.length > 0 ? uses : [{ type: 'text' as const, text: 'Done.' }]
  const reply = { usage: USAGE, costUsd: turn.costUsd, firstTokenMs: FIRST_TOKEN_MS, durationMs: REPLY_MS }
  await storeReply(attempt, aStoredReply(begun, content, reply))
  for (const [index, tool] of turn.tools.entries()) await playTool(db, attempt, begun, uses[index]?.id ?? '', tool)
}

async function playTool(db: TestDb, attempt: Attempt, turn: JournalTurn, id: string, tool: PlannedTool): Promise<void> {
  const call = {
    toolUseId: id,
    lane: turn.lane,
    turn: turn.turn,
    name: tool.name,
    input: '{}',
    status: 'requested' as const,
    effect: null,
    result: null,
    isError: false,
    startedAt: null,
  }
  await startTool(attempt, call, { kind: 'command', command: 'true', cwd: '/' })
  const changed = { path: 'a.txt', kind: 'modify', added: 1, removed: 0, source: 'tool' } as const
  await finishTools(attempt, turn.lane, [
    {
      call,
      isError: tool.fate !== undefined,
      durationMs: tool.ms,
      result: tool.fate === 'lost' ? 'outcome unknown: the sandbox lost track of this command.' : 'exit code: 1',
      events:
        tool.name === 'bash'
          ? []
          : [
              {
                type: 'file.changed',
                key: `file.changed:${id}`,
                scope: { ...attempt.scope, turn: turn.turn },
                payload: changed,
              },
            ],
    },
  ])
}

/** What the checks of a round with this verdict proved on this day. */
export function provedBy(verdict: string): Evidence {
  return verdict === 'approved' ? 'verified' : verdict === 'inconclusive' ? 'unverified' : 'partly'
}

async function playRound(
  db: TestDb,
  task: RunningTask,
  round: number,
  plan: PlannedTask,
  planned: PlannedRound,
): Promise<void> {
  const { attempt, taskId } = task
  await openRound(attempt, { round, treeHash: 'after' }, [])
  const costUsd = plan.costUsd === null ? null : REVIEWER_USD
  for (let nth = 0; nth < planned.reviewerTurns; nth++) {
    await playTurn(db, task, `reviewer/${round}`, { plan, tools: [], costUsd })
  }
  const { review } = await getTask(db, taskId)
  const findings = planned.findings.map((finding) => ({
    id: newId('fnd'),
    severity: finding.severity,
    state: finding.state,
    claim: 'c',
    evidence: 'e',
    ...(finding.criterionId === undefined ? {} : { criterionId: finding.criterionId }),
  }))
  const evidence = { treeHash: 'after', evidence: provedBy(planned.verdict), gaps: [] }
  const base = { round, verdict: planned.verdict, summary: 's', review, findings }
  const ending = { ...base, settled: [], fixNotice: null, evidence }
  await finishRound(attempt, ending, () => [])
  for (const [index, { human }] of planned.findings.entries()) {
    if (human === undefined) continue
    const id = findings[index]?.id
    await db.pool.query('UPDATE findings SET human_verdict = $2, judged_at = now() WHERE id = $1', [id, human])
  }
  await db.pool.query(
    `UPDATE review_rounds SET finished_at = created_at + $3 * interval '1 second' WHERE task_id = $1 AND round = $2`,
    [taskId, round, planned.seconds],
  )
}

async function endTask(db: TestDb, { attempt, taskId }: RunningTask, { end }: PlannedTask): Promise<void> {
  if (end === 'running') return
  if (end === 'cancelled') await requestCancel(db, taskId, { by: 'user' })
  const { review } = await getTask(db, taskId)
  const endings: Partial<Record<PlannedTask['end'], TaskEnding>> = {
    cancelled: { kind: 'cancelled', killed: [] },
    failed: { kind: 'failed', reason: { code: 'model_rejected', message: 'No.' } },
  }
  // The message that began the task was never claimed here, since the turns were told what to say.
  await db.pool.query(`UPDATE messages SET status = 'claimed' WHERE task_id = $1 AND status = 'queued'`, [taskId])
  const ending = endings[end] ?? { kind: 'completed', outcome: end as Outcome, review }
  if (!(await closeTask(attempt, ending))) throw new Error('a message was waiting')
}

/** Sets the times at which things happened; what happened stays. */
async function moveTask(db: TestDb, { taskId }: RunningTask, plan: PlannedTask): Promise<void> {
  const accepted = DAY + plan.hour * HOUR_MS
  const at = (ms: number) => new Date(accepted + ms)
  await db.pool.query(
    `UPDATE tasks SET created_at = $2, started_at = $2, finished_at = CASE WHEN finished_at IS NULL THEN NULL ELSE $3::timestamptz END
     WHERE id = $1`,
    [taskId, at(0), at(plan.seconds * 1_000)],
  )
  await db.pool.query(`UPDATE turns SET replied_at = $2::timestamptz + turn * interval '1 minute' WHERE task_id = $1`, [
    taskId,
    at(plan.firstTokenAt - FIRST_TOKEN_MS + REPLY_MS - 60_000),
  ])
  const move = `UPDATE events SET data = regexp_replace(data, '"at":[0-9]+', '"at":' || $2) WHERE task_id = $1 AND type = $3`
  await db.pool.query(move, [taskId, String(accepted + 4), 'task.accepted'])
  await db.pool.query(move, [taskId, String(accepted + (plan.firstChangeAt ?? 0)), 'file.changed'])
}
