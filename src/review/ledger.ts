/** A task's evidence: every check and every command that ran, what did not and why, and which words of the end it bears out. */

import type { CommandRow } from '../db/review/ledger.ts'
import type { ReviewRound } from '../db/review/reviews.ts'
import type { LedgerRow } from '../shared/ledger.ts'
import type { BaselineEntry, CheckResult } from '../shared/review.ts'

/** What was run in a task and what came of it, as far as its ledger names it. */
export interface LedgerParts {
  /** In order. */
  readonly commands: readonly CommandRow[]
  readonly rounds: readonly ReviewRound[]
  readonly baseline: readonly BaselineEntry[]
  /** The tree that the task began with; null: not known. */
  readonly startTree: string | null
}

/** The rows: commands in order, then what failing checks did before the task, then each round's checks. Pure. */
export function ledgerOf({ commands, rounds, baseline, startTree }: LedgerParts): LedgerRow[] {
  const treeOf = new Map(rounds.map(({ round, treeHash }) => [round, treeHash]))
  return [
    ...commands.map((command) => commandRow(command, treeOf)),
    ...baseline.map((entry) => baselineRow(entry, startTree)),
    ...rounds.flatMap(roundRows),
  ]
}

function commandRow(command: CommandRow, treeOf: ReadonlyMap<number, string>): LedgerRow {
  const { toolUseId, turn, lane, how, isError } = command
  const round = lane === 'coder' ? undefined : Number(lane.split('/')[1])
  const tree = round === undefined ? undefined : treeOf.get(round)
  const exitCode = /^exit code: (\d+)/.exec(how ?? '')?.[1]
  return {
    id: `command:${toolUseId}`,
    kind: 'command',
    by: round === undefined ? 'coder' : 'reviewer',
    command: command.command,
    status: command.status === 'finished' ? endOf(how ?? '', isError) : 'running',
    ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
    ...(command.durationMs === null ? {} : { durationMs: command.durationMs }),
    ...(how !== null && (exitCode === undefined || how.includes('earlier part')) ? { reason: how } : {}),
    turn,
    ...(round === undefined ? {} : { round }),
    toolUseId,
    ...trees(tree ?? command.treeBefore, tree ?? command.treeAfter),
  }
}

function endOf(how: string, isError: boolean): LedgerRow['status'] {
  if (how.startsWith('timed out')) return 'timed_out'
  if (how.startsWith('outcome unknown')) return 'lost'
  if (!how.startsWith('exit code: ') && !how.startsWith('ended by') && !how.startsWith('killed')) return 'not_run'
  return isError || how.includes('an earlier part ') ? 'failed' : 'passed'
}

function baselineRow({ name, command, failed, state }: BaselineEntry, startTree: string | null): LedgerRow {
  const ended = { absent: 'not_run', cannot_run: 'not_run', timed_out: 'timed_out' } as const
  const reasons = { absent: 'The check was not there yet.', cannot_run: 'What it needs was missing.', timed_out: '' }
  return {
    id: `baseline:${name}`,
    kind: 'check',
    by: 'harness',
    name,
    command,
    status: state === undefined ? (failed ? 'failed' : 'passed') : ended[state],
    ...(state === undefined || reasons[state] === '' ? {} : { reason: reasons[state] }),
    ...trees(startTree, startTree),
  }
}

function roundRows({ round, treeHash, checks, plan }: ReviewRound): LedgerRow[] {
  const base = { kind: 'check', by: 'harness', round } as const
  const ran = (checks ?? []).map(
    ({ name, command, status, exitCode, durationMs, reason }: CheckResult): LedgerRow => ({
      ...base,
      id: `check:${round}:${name}`,
      name,
      command,
      status,
      ...(exitCode === null ? {} : { exitCode }),
      durationMs,
      ...(reason === undefined ? {} : { reason }),
      ...trees(treeHash, treeHash),
    }),
  )
  const leftOut = (plan?.leftOut ?? []).map(
    ({ name, command, reason }): LedgerRow => ({
      ...base,
      id: `left-out:${round}:${name}`,
      name,
      ...(command === undefined ? {} : { command }),
      status: 'left_out',
      reason,
      ...trees(treeHash, treeHash),
    }),
  )
  return [...ran, ...leftOut]
}

function trees(treeBefore: string | null, treeAfter: string | null): Pick<LedgerRow, 'treeBefore' | 'treeAfter'> {
  return { ...(treeBefore === null ? {} : { treeBefore }), ...(treeAfter === null ? {} : { treeAfter }) }
}
