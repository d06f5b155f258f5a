import type { LedgerDecision } from '../../../shared/ledger.ts'
import { InlineCode } from '../../text/inline-code.tsx'
import { Badge, type Tone } from '../../ui/badge.tsx'
import { formatMoment } from '../../ui/format.ts'

const STATES: Readonly<Record<LedgerDecision['status'], { readonly tone: Tone; readonly words: string }>> = {
  answered: { tone: 'info', words: 'answered' },
  approved: { tone: 'good', words: 'approved' },
  denied: { tone: 'bad', words: 'denied' },
  expired: { tone: 'neutral', words: 'expired' },
  withdrawn: { tone: 'neutral', words: 'withdrawn' },
}
const SCOPES: Readonly<Record<NonNullable<LedgerDecision['scope']>, string>> = {
  once: '',
  task: ', for the whole task',
  project: ', for the project from then on',
}
/** Names that the server itself gives; others stand as they are. */
const PEOPLE: Readonly<Record<string, string>> = { user: 'a person', temporal: 'temporal workflow update' }

/** What people, or the time, decided of what the task and its publications asked: who, when and what. */
export function DecisionList({ decisions }: { decisions: readonly LedgerDecision[] }) {
  return (
    <section aria-label="What was decided" className="flex flex-col gap-1.5">
      <h3 className="font-semibold">What was decided</h3>
      <ul className="flex flex-col divide-y divide-line">
        {decisions.map((decision) => (
          <Decision key={decision.approvalId} decision={decision} />
        ))}
      </ul>
    </section>
  )
}

function Decision({
  decision: { title, status, answer, note, scope = 'once', by, decidedAt },
}: {
  decision: LedgerDecision
}) {
  const { tone, words } = STATES[status]
  return (
    <li className="flex flex-col gap-0.5 py-1.5">
      <span className="flex flex-wrap items-center gap-2 text-xs text-muted">
        <Badge tone={tone}>{words}</Badge>
        <span>
          {by === undefined ? '' : `by ${PEOPLE[by] ?? by}, `}
          <time dateTime={decidedAt}>{formatMoment(decidedAt)}</time>
          {SCOPES[scope]}
        </span>
      </span>
      <span className="break-words">
        <InlineCode text={title} />
        {answer !== undefined && (
          <>
            {' → '}
            <InlineCode text={answer} />
          </>
        )}
      </span>
      {note !== undefined && (
        <span className="text-xs break-words text-muted">
          <InlineCode text={note} />
        </span>
      )}
    </li>
  )
}
