import { isOver } from '../../shared/task.ts'
import type { Alternative, Comparison } from '../api/types.ts'
import { type Ending, endingOf } from '../thread/ending.ts'
import { formatCost } from '../ui/format.ts'

/** One of the tones that badges have. */
type Tone = Ending['tone'] | 'info'

/** What an alternative is called: the task itself has no number. */
export function nameOf({ index }: Pick<Alternative, 'index'>): string {
  return index === 0 ? 'This task' : `Alternative ${index}`
}

const UNDER_WAY: Readonly<Record<string, { readonly title: string; readonly tone: Ending['tone'] }>> = {
  accepted: { title: 'Waits to begin', tone: 'neutral' },
  needs_answer: { title: 'Needs an answer', tone: 'warn' },
  needs_budget: { title: 'Budget reached', tone: 'warn' },
  cancelling: { title: 'Being stopped', tone: 'neutral' },
}

/** Where an alternative stands, in the words that end cards use. Pure. */
export function standingOf({ status, outcome, evidence }: Alternative): { title: string; tone: Tone } {
  const underWay = UNDER_WAY[status]
  if (underWay !== undefined) return underWay
  if (status === 'running') return { title: 'Working', tone: 'info' }
  if (status === 'cancelled') return { title: 'Stopped', tone: 'neutral' }
  const { title, tone } = endingOf({ status, outcome, evidence, reason: null, killed: [] })
  return { title, tone }
}

/** What it cost, or has cost so far; null while nothing is known, which is not the same as a model without a price. Pure. */
export function costOf({ status, costUsd }: Pick<Alternative, 'status' | 'costUsd'>): string | null {
  return costUsd === null && !isOver(status) ? null : formatCost(costUsd)
}

/** Where a whole comparison stands, in one line. Pure. */
export function summaryOf({ state, items, chosenIndex, chosenBy, expiresAt }: Comparison): {
  text: string
  tone: Tone
} {
  switch (state) {
    case 'running':
      return { text: `${items.filter(({ status }) => isOver(status)).length} of ${items.length} done`, tone: 'info' }
    case 'waiting':
      return { text: `Waits for your choice until ${new Date(expiresAt).toLocaleDateString()}`, tone: 'warn' }
    case 'choosing':
      return { text: 'Being taken over', tone: 'info' }
    case 'chosen': {
      const by = chosenBy === 'evidence' ? ' by the evidence' : ''
      if (chosenIndex === null || chosenIndex === 0) return { text: `Kept as it was${by}`, tone: 'good' }
      return { text: `${nameOf({ index: chosenIndex })} taken${by}`, tone: 'good' }
    }
    case 'cancelled':
      return { text: 'Cancelled, nothing was taken', tone: 'neutral' }
    case 'failed':
      return { text: 'Nothing was taken', tone: 'bad' }
  }
}
