/** The review's nouns, without a schema: workflow code imports them, and zod must stay out of its bundle. */

/** How many criteria a project has at most. */
export const MAX_CRITERIA = 50
/** How many checks a project has at most, those that are left out counted apart. */
export const MAX_CHECKS = 20

/** How much a finding weighs: `blocking` and `important` ones are owed a fix, a `note` is not. */
export type Severity = 'blocking' | 'important' | 'note'

/** One thing the reviewer looks for. `id` is a slug, unique in its criteria; `text` is at most 2,000 characters. */
export interface Criterion {
  readonly id: string
  readonly text: string
  readonly severity: Severity
  readonly enabled: boolean
}

/** A command the harness runs itself in the workspace; exit code 0 means it passed. */
export interface Check {
  readonly name: string
  readonly command: string
}

/** A check that is not run, with the reason. `command` is there when the project's files name one. */
export interface LeftOutCheck {
  readonly name: string
  readonly command?: string | undefined
  readonly reason: string
}

/** A check as a person set it. It stands in place of a detected one of the same name. */
export interface CheckSetting extends Check {
  /** False switches it off. Left out: on. */
  readonly enabled?: boolean | undefined
}

/** What a project's reviews go by; each change makes a new version. */
export interface Criteria {
  readonly version: number
  readonly criteria: readonly Criterion[]
  /** Added to, changing or switching off those that are detected from the project's files. */
  readonly checks: readonly CheckSetting[]
  /** 0 to 5. */
  readonly maxFixRounds: number
  /** Review on or off; off means a change ends `unreviewed`. */
  readonly enabled: boolean
}

/** A finding that a person judged. */
export interface JudgedFinding {
  readonly id: string
  readonly taskId: string
  /** Null: it fell under none. */
  readonly criterionId: string | null
  readonly severity: Severity
  readonly claim: string
  readonly verdict: Judgement['verdict']
  readonly reason: string | null
}

/** A change of a project's criteria that people's verdicts on findings speak for. */
export interface CriteriaProposal {
  readonly id: string
  /** `drop` switches the criterion off. */
  readonly kind: 'reword' | 'weaken' | 'drop' | 'add'
  /** The criterion as it would be. */
  readonly criterion: Criterion
  /** What speaks for it, for a person. */
  readonly reason: string
  /** Ids of the judged findings that it rests on, newest first. */
  readonly findings: readonly string[]
}

/** What a reviewer found, with its evidence; `line` counts from 1 in the reviewed tree. */
export interface Finding {
  readonly id: string
  readonly criterionId?: string
  readonly severity: Severity
  readonly file?: string
  readonly line?: number
  readonly claim: string
  readonly evidence: string
  readonly scenario?: string
  readonly state: 'open' | 'fixed' | 'disputed' | 'dismissed'
  /** The severity that the reviewer gave, where the harness lowered it. */
  readonly demoted?: { readonly from: Severity; readonly why: DemotionReason }
  /** A person's word on it. */
  readonly judgement?: Judgement
}

/** Why a finding weighs less than its reviewer said. */
export type DemotionReason = 'outside_the_change' | 'no_evidence' | 'criterion_off' | 'criterion_severity'

/** A person's word on a finding. */
export interface Judgement {
  readonly verdict: 'confirm' | 'dismiss'
  readonly reason?: string
  /** ISO 8601 in UTC. */
  readonly at: string
}

/**
 * What the harness saw when it ran one check. `output` is head and tail, at most 8,000 characters. Two kinds of failure
 * hold nothing up: `failed_before` failed on the task's first tree too, `flaky` passed when it was run again on the same
 * files. `not_run` says nothing of the change: a program, a dependency or the network was not to be had, or no test was found to
 * run (see `reason`).
 */
export interface CheckResult {
  readonly name: string
  readonly command: string
  readonly status: 'passed' | 'failed' | 'timed_out' | 'lost' | 'failed_before' | 'flaky' | 'not_run'
  readonly exitCode: number | null
  readonly durationMs: number
  readonly output: string
  /** Why it could not be run, in a sentence for a person. */
  readonly reason?: string | undefined
  /** With `timed_out`: it did not end on the task's first tree either, so that no fix of the change would help. */
  readonly asBefore?: true | undefined
}

/** What a round runs, in order, and what it does not. */
export interface CheckPlan {
  readonly checks: readonly (Check & { readonly source: 'detected' | 'custom' })[]
  readonly leftOut: readonly LeftOutCheck[]
}

/** What a check that failed in a round did on the tree that the task started from. */
export interface BaselineEntry extends Check {
  readonly failed: boolean
  /** `absent`: there was no such check. `cannot_run`: what it needs was missing. `timed_out`: it did not end. */
  readonly state?: 'absent' | 'cannot_run' | 'timed_out' | undefined
}

/** What the checks of a tree prove: all passed, some did not or could not be run, or none ran to its end. */
export type Evidence = 'verified' | 'partly' | 'unverified'

/** What is missing for `verified`. */
export interface EvidenceGap {
  readonly name: string
  readonly reason: string
}

/** What the checks of one tree came to. */
export interface TreeEvidence {
  readonly treeHash: string
  readonly evidence: Evidence
  readonly gaps: readonly EvidenceGap[]
}

/** What a round of the review came to. */
export type RoundVerdict = 'approved' | 'approved_with_notes' | 'issues_found' | 'checks_failed' | 'inconclusive'

/** Where the review of a task stands. */
export type ReviewStatus =
  | 'not_started'
  | 'skipped'
  | 'reviewing'
  | 'fixing'
  | 'approved'
  | 'approved_with_notes'
  | 'issues_remaining'
  | 'inconclusive'

/** One finished round, as the `reviewState` query and the database show it. */
export interface RoundSummary {
  readonly round: number
  readonly verdict: RoundVerdict
  /** Tree that was judged: a git tree hash of the workspace. */
  readonly treeHash: string
  readonly checksFailed: number
  readonly findingsOpen: number
  readonly findingsResolved: number
  /** The fix made checks worse: this earlier tree was put back. */
  readonly rolledBackTo?: string
}

/** The contract of the `reviewState` query. Small on purpose: texts of findings live in Postgres. */
export interface ReviewState {
  readonly status: ReviewStatus
  readonly round: number
  readonly fixRounds: number
  readonly maxFixRounds: number
  /** Of the tree that stands: the last one judged, or the one that was put back. */
  readonly verdict?: RoundVerdict
  readonly treeHash?: string
  readonly findings: { readonly open: number; readonly resolved: number }
  readonly history: readonly RoundSummary[]
}
