/** What a tiny project of the suite is made of, and short ways to say it. */

import type { Outcome } from '../../../../src/shared/task.ts'

export interface CoderTurn {
  readonly text?: string
  readonly tools?: readonly { readonly name: string; readonly input: object }[]
}

export interface ReviewProject {
  readonly name: string
  /** What is planted, in a few words. */
  readonly trap: string
  readonly files: Readonly<Record<string, string>>
  /** Laid over the built-in criteria and saved before the task. */
  readonly settings?: object
  /** What the coder does, turn by turn; a turn without tools ends its work until it is sent back. */
  readonly turns: readonly CoderTurn[]
  /** What the reviewer says in round n. */
  readonly reviews: readonly object[]
  readonly ends: {
    readonly outcome: Outcome
    /** The verdict of each round. */
    readonly rounds: readonly string[]
    /** The checks of the last round, by name. */
    readonly checks?: Readonly<Record<string, string>>
    /** Findings of all rounds: criterion or null, severity, state. */
    readonly findings?: readonly (readonly [string | null, string, string])[]
    /** Rounds whose fix was taken back. */
    readonly rolledBack?: readonly number[]
    /** Pieces of the delivered files; null for a file that must not be there. */
    readonly delivered?: Readonly<Record<string, string | null>>
  }
}

/** A turn that writes files, and the one that ends the coder's work. */
export function writes(files: Readonly<Record<string, string>>): CoderTurn[] {
  const tools = Object.entries(files).map(([path, content]) => ({
    name: 'write',
    input: { file_path: path, content },
  }))
  return [{ tools }, { text: 'Done.' }]
}

export interface SaidFinding {
  readonly severity?: 'blocking' | 'important' | 'note'
  readonly criterionId?: string
  readonly file: string
  readonly line?: number
  readonly claim: string
  readonly evidence: string
}

export function finds(...findings: readonly SaidFinding[]): object {
  return { verdict: 'ISSUES_FOUND', findings: findings.map((finding) => ({ severity: 'blocking', ...finding })) }
}

export const APPROVES = { verdict: 'APPROVED' }

/** For rounds that end with failing checks: nobody asks the reviewer. */
export const UNASKED = { text: 'Nobody should have asked me.' }

export function packageJson(scripts: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ name: 'tiny', private: true, scripts }, null, 2)}\n`
}
