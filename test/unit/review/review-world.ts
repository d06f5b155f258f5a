/**
 * A world in which the review's pure parts play whole tasks: a coder that goes anywhere, checks that pass, fail or
 * flicker by tree, and a reviewer that says anything. What it does is read from a tape of numbers, so a failing play can
 * be made smaller. It keeps its own account of what really holds.
 */

import { isFailing, isWorse, settleCheck } from '../../../src/review/check-outcome.ts'
import { DEFAULT_CRITERIA } from '../../../src/review/criteria.ts'
import type { ChangedLines } from '../../../src/review/diff-lines.ts'
import { nextState } from '../../../src/review/next-state.ts'
import { judgeRound, type RoundResult } from '../../../src/review/verdict.ts'
import type { CheckResult, Finding, ReviewState, RoundVerdict } from '../../../src/shared/review.ts'
import { NO_USAGE } from '../../../src/shared/task.ts'
import { contradictionIn, type Submission, type SubmittedFinding } from '../../../src/tools/submit-review.ts'
import type { ChecksResult, ReviewResult, RoundInput } from '../../../src/workflows/activities.ts'

const CHECKS = ['test', 'lint', 'typecheck']
type Behaviour = 'passes' | 'fails' | 'flickers'

interface WorldRound {
  readonly round: number
  readonly treeHash: string
  readonly checks: readonly CheckResult[]
  verdict: RoundVerdict | null
  isRolledBack: boolean
}

export class ReviewWorld {
  readonly #tape: readonly number[]
  #read = 0
  #trees = 0
  #ids = 0
  readonly #behaviours = new Map<string, Behaviour>()
  readonly #rounds: WorldRound[] = []
  #findings: readonly Finding[] = []
  #review: ReviewState
  /** What is in the workspace. */
  tree = 'tree_0'
  reviews = 0

  constructor(tape: readonly number[], maxFixRounds: number) {
    this.#tape = tape
    this.#review = {
      ...{ status: 'not_started', round: 0, fixRounds: 0, maxFixRounds },
      ...{ findings: { open: 0, resolved: 0 }, history: [] },
    }
  }

  #next(below: number): number {
    return (this.#tape[this.#read++ % this.#tape.length] ?? 0) % below
  }

  /** The coder works: mostly it changes something. */
  work(): void {
    if (this.#next(5) > 0) this.tree = `tree_${++this.#trees}`
  }

  isChanged(): boolean {
    return this.tree !== 'tree_0'
  }

  behaviour(tree: string, check: string): Behaviour {
    const key = `${tree}/${check}`
    const known = this.#behaviours.get(key)
    if (known !== undefined) return known
    const behaviour = (['passes', 'passes', 'fails', 'flickers'] as const)[this.#next(4)] ?? 'passes'
    this.#behaviours.set(key, behaviour)
    return behaviour
  }

  runChecks(input: RoundInput): ChecksResult {
    const checks = CHECKS.map((name) => this.#settled(name, input.treeHash))
    this.#rounds.push({ round: input.round, treeHash: input.treeHash, checks, verdict: null, isRolledBack: false })
    const failed = checks.filter(isFailing).length
    if (failed === 0) return { failed, review: { ...this.#review, status: 'reviewing' } }
    const standing = this.#rounds.filter((round) => round.round < input.round && !round.isRolledBack).at(-1)
    const isTakenBack =
      standing !== undefined &&
      input.fixRounds > 0 &&
      standing.treeHash !== input.treeHash &&
      isWorse(standing.checks, checks)
    if (isTakenBack) this.tree = standing.treeHash
    return { failed, review: this.#end(input, checks, null, isTakenBack ? standing : null) }
  }

  reviewChanges(input: RoundInput): ReviewResult {
    this.reviews += 1
    const checks = this.#rounds.at(-1)?.checks ?? []
    const review = this.#end(input, checks, this.#submission(), null)
    return { verdict: review.verdict ?? 'inconclusive', review, turn: 1, usage: NO_USAGE }
  }

  /** The parts of the promise that the state itself does not show. */
  truth(): { openBlocking: number; worseThanAtStart: string[] } {
    const open = this.#findings.filter(({ state }) => state === 'open' || state === 'disputed')
    return {
      openBlocking: open.filter((finding) => finding.severity === 'blocking').length,
      worseThanAtStart: CHECKS.filter(
        (name) => this.behaviour(this.tree, name) === 'fails' && this.behaviour('tree_0', name) === 'passes',
      ),
    }
  }

  #settled(name: string, tree: string): CheckResult {
    const run = (at: string, isFirst: boolean): CheckResult => {
      const behaviour = this.behaviour(at, name)
      const passes = behaviour === 'passes' || (behaviour === 'flickers' && !isFirst)
      const result = { name, command: name, durationMs: 1, output: '' }
      return passes ? { ...result, status: 'passed', exitCode: 0 } : { ...result, status: 'failed', exitCode: 1 }
    }
    const baseline = { name, command: name, failed: isFailing(run('tree_0', true)) }
    return settleCheck(run(tree, true), run(tree, false), baseline)
  }

  #submission(): Submission | null {
    if (this.#next(6) === 0) return null
    const findings = Array.from({ length: this.#next(3) }, (): SubmittedFinding => {
      const severity = (['blocking', 'important', 'note'] as const)[this.#next(3)] ?? 'note'
      const file = this.#next(3) === 0 ? 'elsewhere.ts' : 'a.ts'
      const evidence = this.#next(4) === 0 ? '' : 'f(0) is NaN and should be 0'
      return { severity, file, claim: `claim ${this.#next(9)}`, evidence }
    })
    const open = this.#findings.filter((finding) => finding.state === 'open')
    const earlier = open.map(({ id }) => ({
      id,
      state: (['fixed', 'still_open', 'withdrawn'] as const)[this.#next(3)] ?? 'fixed',
    }))
    const verdict = this.#next(2) === 0 ? 'APPROVED' : 'ISSUES_FOUND'
    const submission: Submission = { verdict, summary: '', findings, earlier }
    // What contradicts itself never comes so far.
    return contradictionIn(submission) === null ? submission : null
  }

  #end(
    input: RoundInput,
    checks: readonly CheckResult[],
    submission: Submission | null,
    standing: WorldRound | null,
  ): ReviewState {
    const changed: ChangedLines = new Map([['a.ts', { path: 'a.ts', kind: 'modify', binary: false, ranges: [] }]])
    const result: RoundResult = judgeRound({
      ...{ checks, submission, earlier: this.#findings, changed },
      ...{ criteria: DEFAULT_CRITERIA.criteria, newId: () => `fnd_${++this.#ids}` },
    })
    const round = this.#rounds.at(-1)
    if (round !== undefined) {
      round.verdict = result.verdict
      round.isRolledBack = standing !== null
    }
    this.#findings = result.findings
    this.#review = nextState(this.#review, input, result, checks.filter(isFailing).length, standing)
    return this.#review
  }
}
