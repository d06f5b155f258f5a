/** The figures of a plan, counted from the plan alone: no SQL, nothing of the program but its types. */

import type { DurationFigures, Fate, Figures, Metrics } from '../../../src/shared/metrics.ts'
import { BROKEN, type PlannedTask, provedBy, REVIEWER_USD, USAGE } from './scripted-day.ts'

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const share = (part: number, whole: number) => (whole === 0 ? null : Number((part / whole).toFixed(4)))
const isGood = (word: string | undefined) => word === 'approved' || word === 'approved_with_notes'

function duration(values: readonly (number | undefined)[]): DurationFigures {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  const at = (quantile: number) => {
    const place = quantile * (sorted.length - 1)
    const [low = 0, high = 0] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
    return Math.round(low + (high - low) * (place - Math.floor(place)))
  }
  return sorted.length === 0 ? { p50: null, p95: null, n: 0 } : { p50: at(0.5), p95: at(0.95), n: sorted.length }
}

const reviewerTurns = (task: PlannedTask) => sum(task.rounds.map((round) => round.reviewerTurns))
const callsOf = (task: PlannedTask) => task.turns.length + reviewerTurns(task)
const reviewerUsd = (task: PlannedTask) => (task.costUsd === null ? 0 : reviewerTurns(task) * REVIEWER_USD)
const usdOf = (task: PlannedTask) =>
  (task.costUsd ?? 0) * task.turns.length + reviewerUsd(task) + sum(task.brokenUsd ?? [])

export function handCount(tasks: readonly PlannedTask[]): Figures {
  const ended = (...ends: PlannedTask['end'][]) => tasks.filter((task) => ends.includes(task.end))
  const [failed, cancelled, unfinished] = [ended('failed'), ended('cancelled'), ended('running')].map(
    (all) => all.length,
  )
  const reviewed = tasks.filter((task) => task.rounds.length > 0)
  const first = reviewed.filter((task) => isGood(task.rounds[0]?.verdict))
  const over = tasks.filter((task) => task.end !== 'running')
  const calls = sum(tasks.map(callsOf))
  const broken = sum(tasks.map((task) => task.brokenUsd?.length ?? 0))
  const tokens = {
    input: calls * USAGE.inputTokens + broken * BROKEN.inputTokens,
    output: calls * USAGE.outputTokens + broken * BROKEN.outputTokens,
    cacheRead: calls * USAGE.cacheReadTokens,
    cacheWrite: calls * USAGE.cacheWriteTokens,
  }
  const unpricedCalls = sum(tasks.filter((task) => task.costUsd === null).map(callsOf))
  const usd = sum(tasks.map(usdOf))
  const coder = sum(tasks.map((task) => task.turns.length))
  const changed = tasks.filter((task) => !['running', 'failed', 'cancelled', 'no_changes'].includes(task.end))
  const proved = (evidence: string) =>
    changed.filter((task) => {
      const last = task.rounds.at(-1)
      return (
        (last !== undefined && task.firstChangeAt !== undefined ? provedBy(last.verdict) : 'unverified') === evidence
      )
    }).length
  const evidence = { verified: proved('verified'), partly: proved('partly'), unverified: proved('unverified') }
  return {
    tasks: {
      total: tasks.length,
      failed: failed ?? 0,
      cancelled: cancelled ?? 0,
      unfinished: unfinished ?? 0,
      completed: tasks.length - (failed ?? 0) - (cancelled ?? 0) - (unfinished ?? 0),
    },
    review: {
      tasksReviewed: reviewed.length,
      rounds: sum(tasks.map((task) => task.rounds.length)),
      firstPassApprovalRate: share(first.length, reviewed.length),
      approvedAfterFixes: reviewed.filter((task) => isGood(task.end) && !first.includes(task)).length,
      issuesRemaining: ended('issues_remaining').length,
      inconclusive: ended('inconclusive').length,
      skipped: ended('no_changes', 'unreviewed').length,
      evidence,
      verifiedRate: share(evidence.verified, changed.length),
      timeShare: share(
        sum(over.flatMap((task) => task.rounds.map((round) => round.seconds))),
        sum(over.map((task) => task.seconds)),
      ),
      costShare: share(sum(over.map(reviewerUsd)), sum(over.map(usdOf))),
    },
    tokens,
    cacheHitRatio: share(tokens.cacheRead, tokens.input + tokens.cacheRead + tokens.cacheWrite),
    costUsd: unpricedCalls > 0 && usd === 0 ? null : Number(usd.toFixed(6)),
    unpricedCalls,
    turns: { total: calls, coder, reviewer: calls - coder },
    cancels: cancelled ?? 0,
    recoveries: {
      turnsRepeated: tasks.filter((task) => (task.brokenUsd ?? []).length > 0).length,
      toolsLost: toolsOf(tasks).filter((tool) => tool.fate === 'lost').length,
    },
    durationsMs: {
      firstEvent: duration(tasks.map(() => 4)),
      firstToken: duration(tasks.map((task) => task.firstTokenAt)),
      firstChange: duration(tasks.map((task) => task.firstChangeAt)),
      task: duration(over.map((task) => task.seconds * 1_000)),
    },
  }
}

const toolsOf = (tasks: readonly PlannedTask[]) => tasks.flatMap((task) => task.turns.flat())

export function handCountTools(tasks: readonly PlannedTask[]): Metrics['tools'] {
  const named = (name: string) => {
    const calls = toolsOf(tasks).filter((tool) => tool.name === name)
    const errors = calls.filter((tool) => tool.fate !== undefined).length
    return { calls: calls.length, errors, durationMs: duration(calls.map((tool) => tool.ms)) }
  }
  return { bash: named('bash'), write: named('write') }
}

export function handCountFindings(tasks: readonly PlannedTask[]): Metrics['findings'] {
  const all = tasks.flatMap((task) => task.rounds.flatMap((round) => round.findings))
  const fates = (some: typeof all): Record<Fate, number> => {
    const count = (state: Fate) => some.filter((finding) => finding.state === state).length
    return { open: count('open'), fixed: count('fixed'), disputed: count('disputed'), dismissed: count('dismissed') }
  }
  const criterion = (id: string | undefined) => {
    const own = all.filter((finding) => finding.criterionId === id)
    const [confirmed = 0, dismissed = 0] = (['confirm', 'dismiss'] as const).map(
      (word) => own.filter((finding) => finding.human === word).length,
    )
    const precision = share(confirmed, confirmed + dismissed)
    return { total: own.length, byFate: fates(own), confirmed, dismissed, precision }
  }
  const severity = (word: string) => all.filter((finding) => finding.severity === word).length
  return {
    byCriterion: Object.fromEntries(
      ['correctness', 'tests', undefined]
        .map((id) => [id ?? '(none)', criterion(id)] as const)
        .filter(([, figures]) => figures.total > 0),
    ),
    bySeverity: { blocking: severity('blocking'), important: severity('important'), note: severity('note') },
    byFate: fates(all),
  }
}
