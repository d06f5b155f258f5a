import type { CheckResult, Finding, ReviewStatus } from '../../shared/review.ts'
import type { DiffStat, Outcome, TaskStatus } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** A file that a task changed: sums over all of its changes. */
export interface ChangedFile {
  readonly path: string
  /** The first change's kind, or `delete` when the last one deleted it. */
  readonly kind: 'create' | 'modify' | 'delete'
  readonly added: number
  readonly removed: number
}

/** One message of the user's. */
export interface TaskRequest {
  readonly text: string
  /** The turn that told it to the model; null until one does. */
  readonly turn: number | null
  /** Whether the model refused that turn: no later request may hold its words. */
  readonly isRefused: boolean
}

/** What the journal says a task was about and came to. */
export interface TaskRecord {
  readonly taskId: string
  readonly status: TaskStatus
  readonly outcome: Outcome | null
  readonly reason: string | null
  readonly review: ReviewStatus
  readonly stat: DiffStat
  /** The user's messages that were not cancelled, in order. */
  readonly requests: readonly TaskRequest[]
  /** The agent's last words, or null. */
  readonly lastWords: string | null
  /** In the order in which they were first changed; at most 500. */
  readonly files: readonly ChangedFile[]
  /** Of the latest round whose checks ran. */
  readonly checks: readonly Pick<CheckResult, 'name' | 'status'>[]
  /** Open and disputed ones. */
  readonly findings: readonly Pick<Finding, 'id' | 'severity' | 'file' | 'line' | 'claim' | 'evidence'>[]
}

interface TaskRow {
  id: string
  status: TaskStatus
  outcome: Outcome | null
  reason: string | null
  review: string
  files: number
  added: number
  removed: number
}

interface MessageRow {
  task_id: string
  role: 'user' | 'assistant'
  text: string
  turn: number | null
  is_refused: boolean
}

interface FindingRow {
  task_id: string
  id: string
  severity: Finding['severity']
  file: string | null
  line: number | null
  claim: string
  evidence: string
}

const TASKS = `
  SELECT id, status, outcome, reason_message AS reason, review, files_changed AS files, lines_added AS added,
    lines_removed AS removed FROM tasks WHERE id = ANY($1) ORDER BY position`

const MESSAGES = `
  SELECT task_id, role, text, turn, EXISTS (SELECT 1 FROM turns WHERE turns.task_id = messages.task_id
    AND turns.turn = messages.turn AND stop_reason = 'refusal') AS is_refused FROM messages
  WHERE task_id = ANY($1) AND role = 'user' AND status <> 'cancelled'
  UNION ALL
  (SELECT DISTINCT ON (task_id) task_id, role, text, turn, false FROM messages
   WHERE task_id = ANY($1) AND role = 'assistant' AND status = 'completed' AND text <> '' ORDER BY task_id, turn DESC)
  ORDER BY turn NULLS LAST`

/** Events hold what changed; those that retention removed are missing here, the task's own sums stay. */
const FILES = `
  SELECT task_id, data FROM events WHERE task_id = ANY($1) AND type = 'file.changed' ORDER BY task_id, seq LIMIT 20000`

const CHECKS = `
  SELECT DISTINCT ON (task_id) task_id, checks FROM review_rounds
  WHERE task_id = ANY($1) AND checks IS NOT NULL ORDER BY task_id, round DESC`

const FINDINGS = `
  SELECT task_id, id, severity, file, line, claim, evidence FROM findings
  WHERE task_id = ANY($1) AND state IN ('open', 'disputed') ORDER BY round, id`

const MAX_FILES = 500

/** The records of these tasks in the order of their start; a running task's are as they stand now. Reads only. */
export async function readTaskRecords(db: Db, taskIds: readonly string[]): Promise<TaskRecord[]> {
  const values = [taskIds]
  const [tasks, messages, files, checks, findings] = await Promise.all([
    query<TaskRow>(db, TASKS, values),
    query<MessageRow>(db, MESSAGES, values),
    query<{ task_id: string; data: string }>(db, FILES, values),
    query<{ task_id: string; checks: string }>(db, CHECKS, values),
    query<FindingRow>(db, FINDINGS, values),
  ])
  return tasks.map((task) => {
    const own = <Row extends { task_id: string }>(rows: readonly Row[]) => rows.filter((row) => row.task_id === task.id)
    return toRecord(task, {
      messages: own(messages),
      files: own(files).map((row) => JSON.parse(row.data) as ChangedFile),
      checks: own(checks).flatMap((row) => JSON.parse(row.checks) as CheckResult[]),
      findings: own(findings),
    })
  })
}

function toRecord(
  task: TaskRow,
  rows: {
    readonly messages: readonly MessageRow[]
    readonly files: readonly ChangedFile[]
    readonly checks: readonly CheckResult[]
    readonly findings: readonly FindingRow[]
  },
): TaskRecord {
  const words = rows.messages.find((message) => message.role === 'assistant')
  return {
    taskId: task.id,
    status: task.status,
    outcome: task.outcome,
    reason: task.reason,
    review: (JSON.parse(task.review) as { status: ReviewStatus }).status,
    stat: { files: task.files, added: task.added, removed: task.removed },
    requests: rows.messages
      .filter(({ role }) => role === 'user')
      .map(({ text, turn, is_refused: isRefused }) => ({ text, turn, isRefused })),
    lastWords: words?.text ?? null,
    files: sumFiles(rows.files).slice(0, MAX_FILES),
    checks: rows.checks.map(({ name, status }) => ({ name, status })),
    findings: rows.findings.map(({ id, severity, file, line, claim, evidence }) => ({
      id,
      severity,
      claim,
      evidence,
      ...(file === null ? {} : { file }),
      ...(line === null ? {} : { line }),
    })),
  }
}

function sumFiles(changes: readonly ChangedFile[]): ChangedFile[] {
  const sums = new Map<string, ChangedFile>()
  for (const { path, kind, added, removed } of changes) {
    const before = sums.get(path)
    sums.set(path, {
      path,
      kind: kind === 'delete' ? 'delete' : (before?.kind ?? kind),
      added: (before?.added ?? 0) + added,
      removed: (before?.removed ?? 0) + removed,
    })
  }
  return [...sums.values()]
}
