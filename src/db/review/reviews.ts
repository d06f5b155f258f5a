/** Rounds and findings: what the checks and the reviewer said, and what became of it. */

import type { NewEvent } from '../../events/topics.ts'
import type { AppError } from '../../shared/errors.ts'
import { noSuch } from '../../shared/refusals.ts'
import type {
  BaselineEntry,
  CheckPlan,
  CheckResult,
  Finding,
  Judgement,
  ReviewState,
  RoundVerdict,
  TreeEvidence,
} from '../../shared/review.ts'
import { isOver, type TaskStatus } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'
import { inProject, type Tx } from '../transaction.ts'
import { insertNotice } from '../turn/notices.ts'
import type { LaneName } from '../turn/turns.ts'

/** A round of a task's review; `checks`, `verdict` and `summary` are null until they are there. */
export interface ReviewRound {
  readonly taskId: string
  readonly round: number
  readonly treeHash: string
  /** null: it was opened by an older version. */
  readonly plan: CheckPlan | null
  readonly checks: readonly CheckResult[] | null
  readonly verdict: RoundVerdict | null
  readonly summary: string | null
  /** The earlier tree that was put back, since this round's one made checks worse. */
  readonly restoredTree: string | null
  readonly createdAt: Date
  readonly finishedAt: Date | null
  /** Findings this round brought up. */
  readonly findings: readonly Finding[]
}

interface RoundRow {
  task_id: string
  round: number
  tree_hash: string
  plan: string | null
  checks: string | null
  verdict: RoundVerdict | null
  summary: string | null
  restored_tree: string | null
  created_at: Date
  finished_at: Date | null
}

interface FindingRow {
  id: string
  round: number
  criterion_id: string | null
  severity: Finding['severity']
  file: string | null
  line: number | null
  claim: string
  evidence: string
  scenario: string | null
  state: Finding['state']
  demoted_from: Finding['severity'] | null
  demoted_why: NonNullable<Finding['demoted']>['why'] | null
  human_verdict: Judgement['verdict'] | null
  human_reason: string | null
  judged_at: Date | null
}

function toFinding(row: FindingRow): Finding {
  return {
    id: row.id,
    severity: row.severity,
    claim: row.claim,
    evidence: row.evidence,
    state: row.state,
    ...(row.criterion_id === null ? {} : { criterionId: row.criterion_id }),
    ...(row.file === null ? {} : { file: row.file }),
    ...(row.line === null ? {} : { line: row.line }),
    ...(row.scenario === null ? {} : { scenario: row.scenario }),
    ...(row.demoted_from === null || row.demoted_why === null
      ? {}
      : { demoted: { from: row.demoted_from, why: row.demoted_why } }),
    ...judgementIn(row),
  }
}

function judgementIn(row: FindingRow): { judgement?: Judgement } {
  if (row.human_verdict === null || row.judged_at === null) return {}
  const reason = row.human_reason === null ? {} : { reason: row.human_reason }
  return { judgement: { verdict: row.human_verdict, ...reason, at: row.judged_at.toISOString() } }
}

/** A task's rounds in order, each with its findings. */
export async function listRounds(db: Db, taskId: string): Promise<ReviewRound[]> {
  const [rounds, findings] = await Promise.all([
    query<RoundRow>(db, 'SELECT * FROM review_rounds WHERE task_id = $1 ORDER BY round', [taskId]),
    query<FindingRow>(db, 'SELECT * FROM findings WHERE task_id = $1 ORDER BY round, id', [taskId]),
  ])
  return rounds.map((row) => ({
    taskId: row.task_id,
    round: row.round,
    treeHash: row.tree_hash,
    plan: row.plan === null ? null : (JSON.parse(row.plan) as CheckPlan),
    checks: row.checks === null ? null : (JSON.parse(row.checks) as CheckResult[]),
    verdict: row.verdict,
    summary: row.summary,
    restoredTree: row.restored_tree,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    findings: findings.filter((finding) => finding.round === row.round).map(toFinding),
  }))
}

/** Opens a round on a tree. Safe to repeat: an open round keeps the tree and the plan that it began with. */
export async function openRound(
  attempt: Attempt,
  round: { round: number; treeHash: string; plan?: CheckPlan },
  events: readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query(
      'INSERT INTO review_rounds (task_id, round, tree_hash, plan) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [attempt.scope.taskId, round.round, round.treeHash, round.plan === undefined ? null : JSON.stringify(round.plan)],
    )
    await tx.query('UPDATE tasks SET round = $2 WHERE id = $1', [attempt.scope.taskId, round.round])
    tx.emit(...events)
  })
}

/** Stores the results of all checks of a round, what they prove of its tree and the review's state that goes with them. */
export async function saveChecks(
  attempt: Attempt,
  round: number,
  save: { readonly checks: readonly CheckResult[]; readonly review: ReviewState; readonly evidence?: TreeEvidence },
  events: readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE review_rounds SET checks = $3 WHERE task_id = $1 AND round = $2', [
      attempt.scope.taskId,
      round,
      JSON.stringify(save.checks),
    ])
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [attempt.scope.taskId, JSON.stringify(save.review)])
    if (save.evidence) await storeEvidence(tx, attempt.scope.taskId, save.evidence)
    tx.emit(...events)
  })
}

async function storeEvidence(tx: Tx, taskId: string, { treeHash, evidence, gaps }: TreeEvidence): Promise<void> {
  await tx.query('UPDATE tasks SET evidence = $2, evidence_tree = $3, evidence_gaps = $4 WHERE id = $1', [
    taskId,
    evidence,
    treeHash,
    JSON.stringify(gaps),
  ])
}

/** Where a round leaves a finding. */
export interface FindingState {
  readonly id: string
  readonly state: Finding['state']
}

/** Everything that ends a round, stored in one transaction. */
export interface RoundEnding {
  readonly round: number
  readonly verdict: RoundVerdict
  readonly summary: string
  readonly review: ReviewState
  readonly findings: readonly Finding[]
  /** Where this round leaves the findings of earlier ones. */
  readonly settled: readonly FindingState[]
  /** What the coder is told when it must mend something. */
  readonly fixNotice: { readonly id: string; readonly text: string } | null
  /** The earlier tree that was put back. */
  readonly restoredTree?: string
  /** Of the tree that stands after the round. */
  readonly evidence?: TreeEvidence
}

/**
 * Ends a round: verdict, findings, the review's state and, when there is something to mend, the fix prompt, at once.
 * `events` are made from the earlier findings as they stand now: one that a person dismissed meanwhile stays dismissed.
 */
export async function finishRound(
  attempt: Attempt,
  ending: RoundEnding,
  events: (settled: readonly FindingState[]) => readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    const updated = await tx.query(
      `UPDATE review_rounds SET verdict = $3, summary = $4, restored_tree = $5, finished_at = now()
       WHERE task_id = $1 AND round = $2 AND finished_at IS NULL RETURNING round`,
      [attempt.scope.taskId, ending.round, ending.verdict, ending.summary, ending.restoredTree ?? null],
    )
    if (updated.length === 0) return
    for (const finding of ending.findings) await insertFinding(tx, attempt, ending.round, finding)
    const settled = await settleFindings(tx, ending.settled)
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [attempt.scope.taskId, JSON.stringify(ending.review)])
    if (ending.evidence) await storeEvidence(tx, attempt.scope.taskId, ending.evidence)
    if (ending.fixNotice) {
      const lane: LaneName = 'coder'
      await insertNotice(tx, attempt.scope.taskId, { ...ending.fixNotice, lane, key: `fix:${ending.round}` })
    }
    tx.emit(...events(settled))
  })
}

/** Stores the states and returns those that count; a person's dismissal that came in meanwhile stands. */
async function settleFindings(tx: Tx, wanted: readonly FindingState[]): Promise<FindingState[]> {
  const settled: FindingState[] = []
  for (const { id, state } of wanted) {
    const rows = await tx.query<FindingState>(
      `UPDATE findings SET state = CASE WHEN human_verdict IS NOT DISTINCT FROM 'dismiss' THEN state ELSE $2 END
       WHERE id = $1 RETURNING id, state`,
      [id, state],
    )
    settled.push(...rows)
  }
  return settled
}

async function insertFinding(tx: Tx, attempt: Attempt, round: number, finding: Finding): Promise<void> {
  await tx.query(
    `INSERT INTO findings (id, task_id, project_id, round, criterion_id, severity, file, line, claim, evidence, scenario,
       state, demoted_from, demoted_why)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`,
    [
      finding.id,
      attempt.scope.taskId,
      attempt.scope.projectId,
      round,
      finding.criterionId ?? null,
      finding.severity,
      finding.file ?? null,
      finding.line ?? null,
      finding.claim,
      finding.evidence,
      finding.scenario ?? null,
      finding.state,
      finding.demoted?.from ?? null,
      finding.demoted?.why ?? null,
    ],
  )
}

/** Stores the review's state alone, e.g. when it was skipped. */
export async function saveReviewState(
  attempt: Attempt,
  review: ReviewState,
  events: readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [attempt.scope.taskId, JSON.stringify(review)])
    tx.emit(...events)
  })
}

/** A person's word on a finding. */
export interface PersonVerdict {
  readonly verdict: Judgement['verdict']
  readonly reason?: string | undefined
}

interface JudgedRow extends FindingRow {
  task_id: string
  project_id: string
  conversation_id: string
  task_status: TaskStatus
}

const FINDING_WITH_TASK = `SELECT f.*, t.conversation_id, t.status AS task_status
  FROM findings f JOIN tasks t ON t.id = f.task_id WHERE f.id = $1`

/**
 * Stores a person's word on a finding and tells the stream. While the task runs, a dismissed finding holds nothing up any
 * more, and one that is confirmed after all does again; in a task that has ended its state stays as it was. Throws
 * `not_found`. Safe to repeat: the same word again changes and tells nothing; another one takes its place.
 */
export async function judgeFinding(db: Db, findingId: string, said: PersonVerdict): Promise<Finding> {
  const { project_id: projectId } = await findingRow(db, findingId)
  return await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<JudgedRow>(FINDING_WITH_TASK, [findingId])
    if (row === undefined) throw unknownFinding()
    if (row.human_verdict === said.verdict && row.human_reason === (said.reason ?? null)) return toFinding(row)
    const state = isOver(row.task_status) ? row.state : stateAfter(row, said.verdict)
    const [judged] = await tx.query<FindingRow>(
      `UPDATE findings SET human_verdict = $2, human_reason = $3, judged_at = now(), state = $4 WHERE id = $1 RETURNING *`,
      [findingId, said.verdict, said.reason ?? null, state],
    )
    const finding = toFinding(judged ?? row)
    const at = judged?.judged_at ?? new Date()
    const judgement = finding.judgement ?? { verdict: said.verdict, at: at.toISOString() }
    tx.emit({
      type: 'review.judged',
      key: `review.judged:${findingId}:${at.getTime()}:${said.verdict}`,
      scope: { projectId, conversationId: row.conversation_id, taskId: row.task_id },
      payload: {
        findingId,
        ...(finding.criterionId === undefined ? {} : { criterionId: finding.criterionId }),
        state: finding.state,
        judgement,
      },
    })
    return finding
  })
}

/** What is mended stays so, whatever a person says of it. */
function stateAfter(row: FindingRow, verdict: Judgement['verdict']): Finding['state'] {
  if (row.state === 'fixed') return 'fixed'
  if (verdict === 'dismiss') return 'dismissed'
  return row.human_verdict === 'dismiss' ? 'open' : row.state
}

async function findingRow(db: Db, findingId: string): Promise<JudgedRow> {
  const rows = await query<JudgedRow>(db, FINDING_WITH_TASK, [findingId])
  if (rows[0] === undefined) throw unknownFinding()
  return rows[0]
}

function unknownFinding(): AppError {
  return noSuch('finding')
}

/** What failing checks did on the task's first tree, as far as it was asked. */
export async function readBaseline(db: Db, taskId: string): Promise<readonly BaselineEntry[]> {
  const rows = await query<{ baseline: string | null }>(db, 'SELECT baseline FROM tasks WHERE id = $1', [taskId])
  const text = rows[0]?.baseline ?? null
  return text === null ? [] : (JSON.parse(text) as BaselineEntry[])
}

/** Stores the task's whole baseline. Safe to repeat. */
export async function saveBaseline(attempt: Attempt, entries: readonly BaselineEntry[]): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE tasks SET baseline = $2 WHERE id = $1', [attempt.scope.taskId, JSON.stringify(entries)])
  })
}

/** Notes that another tree stands in the workspace for a while, and which one belongs there. */
export async function lendWorkspace(attempt: Attempt, ownTree: string): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE projects SET borrowed_tree = $2 WHERE id = $1', [attempt.scope.projectId, ownTree])
  })
}

/** The tree that belongs into the workspace while another one may stand there; null when nobody borrowed it. */
export async function lentTree(db: Db, projectId: string): Promise<string | null> {
  const rows = await query<{ tree: string | null }>(db, 'SELECT borrowed_tree AS tree FROM projects WHERE id = $1', [
    projectId,
  ])
  return rows[0]?.tree ?? null
}

/** Says that the workspace holds its own tree again. Safe to repeat. */
export async function endLoan(attempt: Attempt): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE projects SET borrowed_tree = NULL WHERE id = $1 AND borrowed_tree IS NOT NULL', [
      attempt.scope.projectId,
    ])
  })
}

/** Whether the user said something since then: what was done after it is not only a fix. */
export async function hasRequestSince(db: Db, taskId: string, since: Date): Promise<boolean> {
  const text =
    "SELECT 1 FROM messages WHERE task_id = $1 AND role = 'user' AND status <> 'cancelled' AND created_at >= $2 LIMIT 1"
  return (await query(db, text, [taskId, since])).length > 0
}
