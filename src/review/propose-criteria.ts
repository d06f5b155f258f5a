/**
 * What people's verdicts on findings say about a project's criteria. Counted by rules, never asked of a model, and only ever
 * a proposal: a person accepts it or does not.
 */

import { createHash } from 'node:crypto'
import {
  type CriteriaProposal,
  type Criterion,
  type JudgedFinding,
  MAX_CRITERIA,
  type Severity,
} from '../shared/review.ts'
import { cutText } from '../shared/text/clean-text.ts'
import { oneLine } from '../shared/text/one-line.ts'

/** Fewer verdicts than these say nothing. */
const MIN_JUDGED = 5
const HOPELESS_PRECISION = 0.2
const DOUBTFUL_PRECISION = 0.6
/** A criterion's text is proposed anew once people have given so many different reasons. */
const MIN_REASONS = 2
const MAX_REASONS = 3
const MAX_REASON_CHARACTERS = 200
const MAX_TEXT_CHARACTERS = 2_000
/** Claims count as the same when they share this much of their words. */
const SAME_CLAIM = 0.5
const MAX_ADDED = 3

/**
 * Proposals for `criteria`, at most one a criterion and three new ones. `judged` are at most some hundred findings, newest
 * first, of which those under a criterion were made under its present text and severity. The same verdicts give the same
 * ids; an id changes when a criterion changes or the number of its verdicts has doubled, so that what was declined comes
 * back only with new evidence. Pure.
 */
export function proposeCriteria(criteria: readonly Criterion[], judged: readonly JudgedFinding[]): CriteriaProposal[] {
  const known = new Set(criteria.map(({ id }) => id))
  return [
    ...criteria.flatMap((criterion) => changeOf(criterion, judged) ?? []),
    ...repeatedClaims(judged.filter(({ criterionId }) => criterionId === null || !known.has(criterionId)))
      .slice(0, Math.min(MAX_ADDED, MAX_CRITERIA - criteria.length))
      .map((findings, place) => addition(criteria, findings, place)),
  ]
}

/** The criteria with the proposal in them. Pure. */
export function withProposal(criteria: readonly Criterion[], { kind, criterion }: CriteriaProposal): Criterion[] {
  if (kind === 'add') return [...criteria, criterion]
  return criteria.map((own) => (own.id === criterion.id ? criterion : own))
}

function changeOf(criterion: Criterion, all: readonly JudgedFinding[]): CriteriaProposal | null {
  const judged = all.filter(({ criterionId }) => criterionId === criterion.id)
  if (!criterion.enabled || judged.length < MIN_JUDGED) return null
  const confirmed = judged.filter(({ verdict }) => verdict === 'confirm').length
  const precision = confirmed / judged.length
  if (precision > DOUBTFUL_PRECISION) return null
  const propose = (kind: CriteriaProposal['kind'], changed: Partial<Criterion>, reason: string): CriteriaProposal => ({
    id: proposalId(kind, criterion.id, criterion.text, criterion.severity, doublings(judged.length)),
    kind,
    criterion: { ...criterion, ...changed },
    reason: `${confirmed} of ${judged.length} findings under it were confirmed${reason}`,
    findings: judged.map(({ id }) => id),
  })
  if (precision <= HOPELESS_PRECISION) return propose('drop', { enabled: false }, '.')
  const text = withReasons(criterion.text, judged)
  if (text !== null) return propose('reword', { text }, '; people said what is none.')
  const severity = lighter(criterion.severity)
  return severity === null ? null : propose('weaken', { severity }, ', too few for its weight.')
}

/** The text with what people dismissed, or null where too few said why or it would grow too long. */
function withReasons(text: string, judged: readonly JudgedFinding[]): string | null {
  const reasons = new Set(
    judged.flatMap(({ verdict, reason }) => (verdict === 'dismiss' && reason ? [reasonLine(reason)] : [])),
  )
  if (reasons.size < MIN_REASONS) return null
  const reworded = `${text}\nNot a finding: ${[...reasons].slice(0, MAX_REASONS).join('; ')}.`
  return reworded.length > MAX_TEXT_CHARACTERS ? null : reworded
}

function reasonLine(reason: string): string {
  return cutText(oneLine(reason), MAX_REASON_CHARACTERS).replace(/[.;]+$/, '')
}

function lighter(severity: Severity): Severity | null {
  if (severity === 'blocking') return 'important'
  return severity === 'important' ? 'note' : null
}

/** Confirmed findings of at least two tasks that claim the same, the most frequent first. */
function repeatedClaims(judged: readonly JudgedFinding[]): JudgedFinding[][] {
  const groups: { readonly words: ReadonlySet<string>; readonly findings: JudgedFinding[] }[] = []
  for (const finding of judged) {
    if (finding.verdict !== 'confirm') continue
    const words = new Set(finding.claim.toLowerCase().match(/[\p{L}\p{N}_]{3,}/gu) ?? [])
    const group = groups.find((other) => likeness(other.words, words) >= SAME_CLAIM)
    if (group) group.findings.push(finding)
    else groups.push({ words, findings: [finding] })
  }
  return groups
    .map(({ findings }) => findings)
    .filter((findings) => new Set(findings.map(({ taskId }) => taskId)).size > 1)
    .sort((a, b) => b.length - a.length)
}

/** Shared words over all words of both. */
function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const shared = [...a].filter((word) => b.has(word)).length
  return shared === 0 ? 0 : shared / (a.size + b.size - shared)
}

function addition(criteria: readonly Criterion[], findings: readonly JudgedFinding[], place: number): CriteriaProposal {
  const claim = findings[0]?.claim ?? ''
  const text = claim.slice(0, MAX_TEXT_CHARACTERS)
  return {
    id: proposalId('add', text, doublings(findings.length)),
    kind: 'add',
    criterion: { id: freeId(criteria, place), text, severity: 'important', enabled: true },
    reason: `Confirmed in ${new Set(findings.map(({ taskId }) => taskId)).size} tasks, and no criterion asks for it.`,
    findings: findings.map(({ id }) => id),
  }
}

function freeId(criteria: readonly Criterion[], place: number): string {
  const taken = new Set(criteria.map(({ id }) => id))
  let number = criteria.length + 1
  for (let left = place; taken.has(`criterion-${number}`) || left-- > 0; ) number++
  return `criterion-${number}`
}

const doublings = (count: number) => Math.floor(Math.log2(count))

function proposalId(...parts: readonly (string | number)[]): string {
  return `prp_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24)}`
}
