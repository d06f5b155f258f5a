/** How a task's change is told to people who read a history: commit message, patch, pull request. */

import type { TaskRecord } from '../db/task/task-records.ts'
import type { Task } from '../db/task/tasks.ts'
import { EVIDENCE_WORDS } from '../shared/evidence.ts'
import type { Outcome } from '../shared/task.ts'

const MAX_TITLE = 72
const MAX_REQUEST = 2_000
const FALLBACK = 'Change by Keelson'

const VERDICTS: Readonly<Record<Outcome, string>> = {
  approved: 'approved',
  approved_with_notes: 'approved with notes',
  issues_remaining: 'issues remain',
  inconclusive: 'the review was inconclusive',
  no_changes: 'no changes to code',
  budget_reached: 'ended at its budget',
  stuck: 'ended because it made no progress',
  refused: 'ended because the model refused',
  unreviewed: 'not reviewed',
}

/** Control characters have no place in a line that programs and terminals show. */
function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
}

/** One line of at most 72 characters out of any text; never empty. Pure. */
export function changeTitle(text: string): string {
  const line =
    plain(text.replaceAll('\r', '\n'))
      .split('\n')
      .map((each) => each.replace(/\s+/g, ' ').trim())
      .find((each) => each !== '') ?? FALLBACK
  const characters = Array.from(line)
  if (characters.length <= MAX_TITLE) return line
  const cut = characters.slice(0, MAX_TITLE - 1).join('')
  const space = cut.lastIndexOf(' ')
  return `${space > MAX_TITLE / 2 ? cut.slice(0, space) : cut}…`
}

/** The first request's words, or what stands in for them. Pure. */
export function requestOf(record: Pick<TaskRecord, 'requests'>): string {
  return record.requests[0]?.text ?? ''
}

/** The verdict in words: the outcome of a completed task, or how it ended. Pure. */
export function verdictOf({ outcome, status }: Pick<Task, 'outcome' | 'status'>): string {
  return outcome === null ? status : VERDICTS[outcome]
}

/** The task as far as it speaks of the files that are published: checks of other files prove nothing of these. Pure. */
export function asPublished<T extends Pick<Task, 'latestTree' | 'evidence' | 'evidenceGaps'>>(
  task: T,
  treeHash: string,
): T {
  if (task.latestTree === treeHash) return task
  const gaps = [{ name: 'sync', reason: 'No check ran since the project was synced with upstream.' }]
  return { ...task, evidence: 'unverified', evidenceGaps: gaps }
}

/** `2 passed, 1 failed`; `none` when there were none. Pure. */
export function checksLine(checks: TaskRecord['checks']): string {
  const counts = new Map<string, number>()
  for (const { status } of checks) counts.set(status, (counts.get(status) ?? 0) + 1)
  return checks.length === 0
    ? 'none'
    : [...counts].map(([status, n]) => `${n} ${status.replaceAll('_', ' ')}`).join(', ')
}

/** What the commit says below its title: the request, or `own` words, the verdict, the evidence. No trailers. Pure. */
export function changeBody(
  task: Pick<Task, 'id' | 'outcome' | 'status' | 'evidence'>,
  record: TaskRecord,
  own?: string,
): string {
  const request = Array.from(plain((own ?? requestOf(record)).replaceAll('\r\n', '\n')).trim())
  const shown = request.length > MAX_REQUEST ? `${request.slice(0, MAX_REQUEST).join('')}…` : request.join('')
  return [
    ...(shown === '' || shown === changeTitle(shown) ? [] : [shown, '']),
    `Verdict: ${verdictOf(task)}`,
    `Evidence: ${EVIDENCE_WORDS[task.evidence]} (checks: ${checksLine(record.checks)})`,
    `Task: ${task.id}`,
  ].join('\n')
}
