/** The nouns of comparing alternatives, for workflow, worker, server and page. Pure; no I/O, no zod. */

import type { Evidence } from './review.ts'
import type { CodingTaskInput, DiffStat, Outcome, TaskStatus } from './task.ts'
import { isOver } from './task.ts'

/** How many further tries one comparison may have. */
export const MAX_ALTERNATIVES = 5
/** How long a comparison lasts at most, its tries and the wait for a person together. */
export const COMPARISON_DAYS = 7

/** `choosing`: it is decided, and the files are on their way. The last three are ends. */
export type ComparisonState = 'running' | 'waiting' | 'choosing' | 'chosen' | 'cancelled' | 'failed'
/** Who chooses among alternatives. */
export type Chooser = 'person' | 'evidence'

/** What a comparison's workflow goes by. */
export interface ComparisonLook {
  readonly state: ComparisonState
  /** Null: nothing is chosen yet. */
  readonly chosenIndex: number | null
  /** Somebody wants it to end, or its project is gone. */
  readonly isCancelRequested: boolean
}

/** Whether nothing more will be decided. Pure. */
export function isComparisonOver(state: ComparisonState): boolean {
  return state === 'chosen' || state === 'cancelled' || state === 'failed'
}

/** What one alternative came to; what is not known yet, or cannot be, is null. */
export interface AlternativeResult {
  /** 0 is the task's own result. */
  readonly index: number
  readonly status: TaskStatus
  readonly outcome: Outcome | null
  readonly evidence: Evidence | null
  readonly openFindings: number | null
  readonly failedChecks: number | null
  readonly diffStat: DiffStat | null
  readonly costUsd: number | null
  readonly durationMs: number | null
  readonly error: string | null
}

/** Input of the `compareAlternatives` workflow: ids and nothing else. */
export interface CompareInput {
  readonly comparisonId: string
  readonly projectId: string
}

/** A further try as the workflow starts it. */
export interface AlternativeRun {
  readonly index: number
  readonly input: CodingTaskInput
}

/** The contract of the `comparison` query. */
export interface ComparisonView {
  readonly state: ComparisonState
  readonly chosenIndex: number | null
  readonly alternatives: readonly { readonly index: number; readonly taskId: string; readonly isOver: boolean }[]
  /** ISO 8601 in UTC; null until the tries have begun. */
  readonly expiresAt: string | null
}

/** What the update `chooseAlternative` is given. */
export interface ChooseAlternative {
  readonly index: number
  /** Who chose; `temporal` when left out. */
  readonly by?: string | undefined
}

/** The Temporal workflow of a comparison. */
export function compareWorkflowIdFor(comparisonId: string): string {
  return `compare/${comparisonId}`
}

/** Whether a person may choose it: it has ended with a result. Pure. */
export function canBeChosen({ status }: Pick<AlternativeResult, 'status'>): boolean {
  return status === 'completed'
}

/** The alternative that the evidence chooses. */
export interface EvidenceChoice {
  readonly index: number
  /** One sentence that says what decided. */
  readonly reason: string
}

/**
 * The alternative that the evidence speaks for: every check passed before partly proved before unproved, what has a failing
 * check or changed nothing last; then fewest open findings, fewest lines, lowest cost, lowest index. A sentence in its
 * place when none can be chosen. Pure.
 */
export function chooseByEvidence(results: readonly AlternativeResult[]): EvidenceChoice | string {
  const ranked = results
    .filter(canBeChosen)
    .map((result) => ({ result, marks: marksOf(result) }))
    .sort((a, b) => compareMarks(a.marks, b.marks))
  const [best, second] = ranked
  if (best === undefined) return noneSentence(results)
  const { index } = best.result
  const name = index === 0 ? 'The task’s own result' : `Alternative ${index}`
  if (second === undefined) return { index, reason: `${name} is the only one that ended with a result.` }
  const decisive = best.marks.findIndex((mark, at) => mark !== second.marks[at])
  return { index, reason: `${name} ${SENTENCES[decisive]?.(best.result) ?? 'comes first, and all are equal.'}` }
}

const SENTENCES: readonly ((result: AlternativeResult) => string)[] = [
  (result) => `is the best proved: ${LEVELS[levelOf(result)]}.`,
  ({ openFindings }) => `has the fewest open findings (${openFindings ?? 0}), and none is better proved.`,
  ({ diffStat }) => `is the smallest change (${linesOf(diffStat)} lines) of those that are proved best.`,
  ({ costUsd }) => `cost least ($${(costUsd ?? 0).toFixed(4)}), and all else is equal.`,
]

const LEVELS = [
  'every check passed',
  'some of its checks passed and none failed',
  'no check of it failed',
  'it changed nothing, and the others have failing checks',
  'fewer of its checks failed',
] as const

/** Lower is better: level, open findings, changed lines, cost, index. A cost that is not known comes after all that are. */
function marksOf(result: AlternativeResult): readonly number[] {
  const { openFindings, diffStat, costUsd, index } = result
  return [levelOf(result), openFindings ?? 0, linesOf(diffStat), costUsd ?? Number.MAX_VALUE, index]
}

function levelOf({ evidence, failedChecks, diffStat }: AlternativeResult): number {
  if ((failedChecks ?? 0) > 0) return 4
  if (evidence === 'verified') return 0
  if (evidence === 'partly') return 1
  return (diffStat?.files ?? 0) > 0 ? 2 : 3
}

function linesOf(stat: DiffStat | null): number {
  return stat === null ? 0 : stat.added + stat.removed
}

function compareMarks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((mark, index) => mark !== b[index])
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

function noneSentence(results: readonly AlternativeResult[]): string {
  const said = results.map(({ index, status, error }) => {
    const how = isOver(status) ? status : 'not over'
    return `${index}: ${how}${error === null ? '' : ` (${error.slice(0, 200)})`}`
  })
  return `None ended with a result, so there is nothing to choose. ${said.join('; ')}.`
}
