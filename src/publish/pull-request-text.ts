import type { TaskRecord } from '../db/task/task-records.ts'
import type { Task } from '../db/task/tasks.ts'
import { EVIDENCE_WORDS } from '../shared/evidence.ts'
import { requestOf, verdictOf } from './change-text.ts'

const MAX_SUMMARY = 6_000
const MAX_REQUEST = 2_000
const MAX_ROWS = 50
const MAX_CLAIM = 400
const MAX_BODY = 60_000
const BEGIN = '<!-- keelson:begin -->'
const END = '<!-- keelson:end -->'

/**
 * What a pull request is written from: the task, what is recorded of its reviews and checks, and a person’s own
 * words.
 */
export interface PullRequestStory {
  readonly task: Pick<
    Task,
    'id' | 'outcome' | 'status' | 'evidence' | 'evidenceGaps' | 'costUsd' | 'diffStat' | 'model'
  >
  readonly record: TaskRecord
  /** The person's own words, which come first. */
  readonly own?: string | undefined
  readonly publicationId: string
}

/** What a pull request says of a task: summary, verdict, evidence, checks, findings, cost. At most 60,000 characters. Pure. */
export function pullRequestText({ task, record, own, publicationId }: PullRequestStory): string {
  const { added, removed, files } = task.diffStat
  const lines = [
    ...(own === undefined || own.trim() === '' ? [] : [own.trim(), '']),
    '### Request',
    ...quoted(cut(requestOf(record), MAX_REQUEST)),
    '',
    ...(record.lastWords === null ? [] : ['### Summary', harmless(cut(record.lastWords, MAX_SUMMARY)), '']),
    '### Review',
    `- Verdict: **${verdictOf(task)}**`,
    `- Evidence: **${EVIDENCE_WORDS[task.evidence]}**`,
    ...task.evidenceGaps.slice(0, MAX_ROWS).map((gap) => `  - ${inline(gap.name)}: ${inline(gap.reason)}`),
    `- Change: ${files} ${files === 1 ? 'file' : 'files'}, +${added} −${removed}`,
    `- Cost: ${task.costUsd === null ? 'not known' : `$${task.costUsd.toFixed(4)}`} (${inline(task.model)})`,
    '',
    ...checkLines(record.checks),
    ...findingLines(record.findings),
  ]
  const text = lines.join('\n').replaceAll('<!--', '&lt;!--').slice(0, MAX_BODY)
  return `${BEGIN}\n${text}\n\n<sub>Task ${task.id} · publication ${publicationId}</sub>\n${END}`
}

/** A body that people may have edited, with our part of it replaced; their words stay. Pure. */
export function withOurPart(body: string, ours: string): string {
  const from = body.indexOf(BEGIN)
  const to = body.indexOf(END, from)
  if (from === -1 || to === -1) return body.trim() === '' ? ours : `${body.trimEnd()}\n\n${ours}`
  return body.slice(0, from) + ours + body.slice(to + END.length)
}

function checkLines(checks: TaskRecord['checks']): string[] {
  if (checks.length === 0) return ['### Checks', 'No check ran.', '']
  const rows = checks
    .slice(0, MAX_ROWS)
    .map(({ name, status }) => `| ${inline(name)} | ${status.replaceAll('_', ' ')} |`)
  const more = checks.length > MAX_ROWS ? [`| … ${checks.length - MAX_ROWS} more | |`] : []
  return ['### Checks', '| check | result |', '|---|---|', ...rows, ...more, '']
}

function findingLines(findings: TaskRecord['findings']): string[] {
  if (findings.length === 0) return []
  const rows = findings.slice(0, MAX_ROWS).map(({ severity, file, line, claim }) => {
    const where = file === undefined ? '' : ` ${inline(line === undefined ? file : `${file}:${line}`)}`
    return `- **${severity}**${where}: ${inline(cut(claim, MAX_CLAIM))}`
  })
  return ['### Open findings', ...rows, '']
}

function cut(text: string, most: number): string {
  const characters = Array.from(text)
  return characters.length <= most ? text : `${characters.slice(0, most).join('')}…`
}

/** Text of a model or a file: it must not call people or teams by their names. */
function harmless(text: string): string {
  return text.replace(/@(?=[A-Za-z0-9])/g, '@\u200b')
}

/** The same on one line of a table or a list. */
function inline(text: string): string {
  return harmless(text).replace(/\s+/g, ' ').replaceAll('|', '\\|')
}

function quoted(text: string): string[] {
  return harmless(text)
    .split('\n')
    .map((line) => `> ${line.trimEnd()}`.trimEnd())
}
