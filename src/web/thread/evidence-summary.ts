import type { Claim, LedgerRow } from '../../shared/ledger.ts'
import type { ApiEvidence } from '../api/types.ts'
import { formatPlural } from '../ui/format.ts'

/** Words for the checks of the last round, by how they ended; what is not here stands as the ledger calls it. */
const CHECKS: Partial<Record<LedgerRow['status'], string>> = {
  failed_before: 'failed before, too',
  timed_out: 'timed out',
  not_run: 'not run',
  left_out: 'left out',
}

/** What a ledger comes to, most telling first: checks of the last round, claims that nothing bears out, decisions, commands. Pure. */
export function evidenceSummary({
  rows,
  claims,
  decisions,
}: Pick<ApiEvidence, 'rows' | 'claims' | 'decisions'>): string[] {
  const lastRound = Math.max(0, ...rows.map(({ kind, round = 0 }) => (kind === 'check' ? round : 0)))
  const checks = countBy(
    rows.filter(({ kind, round }) => kind === 'check' && round === lastRound).map(({ status }) => status),
  )
  const marks = countBy(claims.map(({ mark }): Claim['mark'] => mark))
  const contradicted = marks.get('contradicted') ?? 0
  const unproven = marks.get('unproven') ?? 0
  const commands = rows.filter(({ kind }) => kind === 'command').length
  return [
    ...[...checks].map(([status, count]) => `${formatPlural(count, 'check')} ${CHECKS[status] ?? status}`),
    ...(contradicted === 0 ? [] : [`${formatPlural(contradicted, 'claim')} contradicted`]),
    ...(unproven === 0 ? [] : [`${formatPlural(unproven, 'claim')} not proven`]),
    ...(decisions.length === 0 ? [] : [formatPlural(decisions.length, 'decision')]),
    ...(commands === 0 ? [] : [formatPlural(commands, 'command')]),
  ]
}

function countBy<Key>(keys: readonly Key[]): Map<Key, number> {
  const counts = new Map<Key, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}
