/** Rounds and findings: what the checks and the reviewer said, and what became of it. */

import type { NewEvent } from '../events/topics.ts'
import type { CheckResult, Finding, ReviewState, RoundVerdict } from '../shared/review.ts'
import { type Db, toDbError } from './client.ts'
import { insertNotice, type Lane } from './journal.ts'
import { type Lease, type Tx, withLease } from './transaction.ts'

export interface ReviewRound {
  readonly taskId: string
  readonly round: number
  readonly treeHash: string
  readonly checks: readonly CheckResult[] | null
  readonly verdict: RoundVerdict | null
  readonly summary: string | null
  readonly createdAt: Date
  readonly finishedAt: Date | null
  /** Findings this round brought up. */
  readonly findings: readonly Finding[]
}

interface RoundRow {
  task_id: string
  round: number
  tree_hash: string
  checks: string | null
  verdict: RoundVerdict | null
  summary: string | null
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
  }
}

/** A task's rounds in order, each with its findings. */
export async function listRounds(db: Db, taskId: string): Promise<ReviewRound[]> {
  try {
    const [rounds, findings] = await Promise.all([
      db.pool.query<RoundRow>('SELECT * FROM review_rounds WHERE task_id = $1 ORDER BY round', [taskId]),
      db.pool.query<FindingRow>('SELECT * FROM findings WHERE task_id = $1 ORDER BY round, id', [taskId]),
    ])
    return rounds.rows.map((row) => ({
      taskId: row.task_id,
      round: row.round,
      treeHash: row.tree_hash,
      checks: row.checks === null ? null : (JSON.parse(row.checks) as CheckResult[]),
      verdict: row.verdict,
      summary: row.summary,
      createdAt: row.created_at,
      finishedAt: row.finished_at,
      findings: findings.rows.filter((finding) => finding.round === row.round).map(toFinding),
    }))
  } catch (error) {
    throw toDbError(error)
  }
}

/** Opens a round on a tree. Safe to repeat: an open round keeps the tree that it began with. */
export async function openRound(
  db: Db,
  lease: Lease,
  round: { round: number; treeHash: string },
  events: readonly NewEvent[],
): Promise<void> {
  await withLease(db, lease, async (tx) => {
    await tx.query('INSERT INTO review_rounds (task_id, round, tree_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      lease.taskId,
      round.round,
      round.treeHash,
    ])
    await tx.query('UPDATE tasks SET round = $2 WHERE id = $1', [lease.taskId, round.round])
    tx.emit(...events)
  })
}

/** Stores the results of all checks of a round and the review's state that goes with them. */
export async function saveChecks(
  db: Db,
  lease: Lease,
  round: number,
  save: { readonly checks: readonly CheckResult[]; readonly review: ReviewState },
  events: readonly NewEvent[],
): Promise<void> {
  await withLease(db, lease, async (tx) => {
    await tx.query('UPDATE review_rounds SET checks = $3 WHERE task_id = $1 AND round = $2', [
      lease.taskId,
      round,
      JSON.stringify(save.checks),
    ])
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [lease.taskId, JSON.stringify(save.review)])
    tx.emit(...events)
  })
}

export interface RoundEnding {
  readonly round: number
  readonly verdict: RoundVerdict
  readonly summary: string
  readonly review: ReviewState
  readonly findings: readonly Finding[]
  /** Earlier findings whose state this round changed. */
  readonly settled: readonly { id: string; state: Finding['state'] }[]
  /** What the coder is told when it must mend something. */
  readonly fixNotice: { readonly id: string; readonly text: string } | null
}

/** Ends a round: verdict, findings, the review's state and, when there is something to mend, the fix prompt, at once. */
export async function finishRound(
  db: Db,
  lease: Lease,
  ending: RoundEnding,
  events: readonly NewEvent[],
): Promise<void> {
  await withLease(db, lease, async (tx) => {
    const updated = await tx.query(
      `UPDATE review_rounds SET verdict = $3, summary = $4, finished_at = now()
       WHERE task_id = $1 AND round = $2 AND finished_at IS NULL RETURNING round`,
      [lease.taskId, ending.round, ending.verdict, ending.summary],
    )
    if (updated.length === 0) return
    for (const finding of ending.findings) await insertFinding(tx, lease, ending.round, finding)
    for (const settled of ending.settled) {
      await tx.query('UPDATE findings SET state = $2 WHERE id = $1', [settled.id, settled.state])
    }
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [lease.taskId, JSON.stringify(ending.review)])
    if (ending.fixNotice) {
      const lane: Lane = 'coder'
      await insertNotice(tx, lease.taskId, { ...ending.fixNotice, lane, key: `fix:${ending.round}` })
    }
    tx.emit(...events)
  })
}

async function insertFinding(tx: Tx, lease: Lease, round: number, finding: Finding): Promise<void> {
  await tx.query(
    `INSERT INTO findings (id, task_id, project_id, round, criterion_id, severity, file, line, claim, evidence, scenario, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
    [
      finding.id,
      lease.taskId,
      lease.projectId,
      round,
      finding.criterionId ?? null,
      finding.severity,
      finding.file ?? null,
      finding.line ?? null,
      finding.claim,
      finding.evidence,
      finding.scenario ?? null,
      finding.state,
    ],
  )
}

/** Stores the review's state alone, e.g. when it was skipped. */
export async function saveReviewState(
  db: Db,
  lease: Lease,
  review: ReviewState,
  events: readonly NewEvent[],
): Promise<void> {
  await withLease(db, lease, async (tx) => {
    await tx.query('UPDATE tasks SET review = $2 WHERE id = $1', [lease.taskId, JSON.stringify(review)])
    tx.emit(...events)
  })
}
