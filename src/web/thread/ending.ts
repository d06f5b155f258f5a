import { EVIDENCE_WORDS } from '../../shared/evidence.ts'
import type { Outcome } from '../../shared/task.ts'
import type { TaskView } from '../state.ts'

/** How an ended task is spoken of. */
export interface Ending {
  readonly title: string
  readonly tone: 'good' | 'warn' | 'bad' | 'neutral'
  /** A sentence that says what to do about it; null when nothing is to be done. */
  readonly note: string | null
}

const OUTCOMES: Readonly<Record<Outcome, Omit<Ending, 'note'> & { note?: string }>> = {
  approved: { title: 'Approved', tone: 'good' },
  approved_with_notes: { title: 'Approved with notes', tone: 'good' },
  issues_remaining: {
    title: 'Issues remain',
    tone: 'warn',
    note: 'The allowed fix rounds are used up. Read the open findings, then say what to do about them.',
  },
  inconclusive: {
    title: 'Review inconclusive',
    tone: 'warn',
    note: 'The reviewer gave no readable verdict: the change counts as not approved.',
  },
  no_changes: { title: 'Done, no files changed', tone: 'neutral' },
  budget_reached: { title: 'Budget reached', tone: 'warn', note: 'Files changed so far are kept.' },
  stuck: { title: 'Stuck', tone: 'warn', note: 'The agent repeated itself without getting on. A hint may help.' },
  refused: { title: 'Refused by the model', tone: 'warn' },
  unreviewed: { title: 'Done, not reviewed', tone: 'neutral', note: 'Reviews are switched off for this project.' },
}

type Ended = Pick<TaskView, 'status' | 'outcome' | 'reason' | 'killed'> &
  Partial<Pick<TaskView, 'evidence' | 'evidenceGaps'>>

/** How an ended task ended, in words. An approval that no check backs never looks like one that all checks back. */
export function endingOf(task: Ended): Ending {
  const reason = task.reason?.message ?? null
  if (task.status === 'failed') return { title: 'Failed', tone: 'bad', note: reason }
  if (task.status === 'cancelled') {
    const { length } = task.killed
    const ended =
      length === 0 ? 'no process was running' : length === 1 ? '1 process ended' : `${length} processes ended`
    return { title: `Stopped: ${ended}`, tone: 'neutral', note: reason }
  }
  if (task.outcome === null) return { title: 'Done', tone: 'neutral', note: reason }
  const { title, tone, note } = OUTCOMES[task.outcome]
  const evidence = task.evidence ?? null
  if (tone === 'good' && evidence !== null && evidence !== 'verified') {
    return { title: `${title}, ${EVIDENCE_WORDS[evidence]}`, tone: 'warn', note: reason ?? gapsNote(task) }
  }
  return { title, tone, note: reason ?? note ?? null }
}

function gapsNote({ evidence, evidenceGaps = [] }: Ended): string {
  const gaps = evidenceGaps.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
  const what = evidence === 'partly' ? 'Not every check passed' : 'No check has run to its end'
  return `${what} on the files as they are now${gaps === '' ? '' : ` (${gaps})`}.`
}
