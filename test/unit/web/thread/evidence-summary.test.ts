import { expect, test } from 'vitest'
import type { Claim, LedgerDecision, LedgerRow } from '../../../../src/shared/ledger.ts'
import { evidenceSummary } from '../../../../src/web/thread/evidence-summary.ts'

const row = (id: string, more: Partial<LedgerRow>): LedgerRow => ({
  id,
  kind: 'check',
  by: 'harness',
  status: 'passed',
  ...more,
})
const claim = (mark: Claim['mark']): Claim => ({ text: 'Tests pass.', about: 'tests', mark })
const decision: LedgerDecision = {
  approvalId: 'a',
  kind: 'question',
  title: 'Which colour?',
  status: 'answered',
  turn: 1,
  requestedAt: '2026-01-01T00:00:00Z',
  decidedAt: '2026-01-01T00:01:00Z',
}

test('counts the checks of the last round alone, then claims that nothing bears out, decisions and commands', () => {
  const rows = [
    row('c1', { kind: 'command', by: 'coder' }),
    row('c2', { kind: 'command', by: 'reviewer', round: 3, status: 'failed' }),
    row('b1', { status: 'failed' }),
    row('1a', { round: 1, status: 'failed' }),
    row('2a', { round: 2 }),
    row('2b', { round: 2 }),
    row('2c', { round: 2, status: 'failed_before' }),
    row('2d', { round: 2, status: 'left_out' }),
  ]
  const claims = [claim('proven'), claim('unproven'), claim('contradicted'), claim('unproven')]
  expect(evidenceSummary({ rows, claims, decisions: [decision] })).toEqual([
    '2 checks passed',
    '1 check failed before, too',
    '1 check left out',
    '1 claim contradicted',
    '2 claims not proven',
    '1 decision',
    '2 commands',
  ])
})

test('says nothing of a task in which nothing ran and nobody was asked', () => {
  expect(evidenceSummary({ rows: [], claims: [claim('proven')], decisions: [] })).toEqual([])
})
