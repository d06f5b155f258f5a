import { EVIDENCE_WORDS } from '../../../shared/evidence.ts'
import type { Claim, LedgerRow } from '../../../shared/ledger.ts'
import type { ApiEvidence } from '../../api/types.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { InlineCode } from '../../text/inline-code.tsx'
import { Badge, type Tone } from '../../ui/badge.tsx'
import { formatDuration } from '../../ui/format.ts'
import { DecisionList } from './decision-list.tsx'

const MARKS: Readonly<Record<Claim['mark'], { readonly tone: Tone; readonly words: string }>> = {
  proven: { tone: 'good', words: 'proven' },
  contradicted: { tone: 'bad', words: 'contradicted' },
  unproven: { tone: 'warn', words: 'not proven' },
}

/** All that ran in a task, by whom and how it ended, and which sentences of its last message that bears out. */
export function EvidenceList({ evidence: { evidence, gaps, rows, decisions, claims } }: { evidence: ApiEvidence }) {
  return (
    <div className="flex flex-col gap-4 p-3 text-sm">
      <section aria-label="What the checks prove" className="flex flex-col gap-1">
        <p>
          <Badge tone={evidence === 'verified' ? 'good' : 'warn'}>{EVIDENCE_WORDS[evidence]}</Badge>
        </p>
        {gaps.map(({ name, reason }) => (
          <p key={name} className="text-xs text-muted">
            <InlineCode text={`${name}: ${reason}`} />
          </p>
        ))}
      </section>
      {claims.length > 0 && (
        <section aria-label="What the last message says ran" className="flex flex-col gap-1.5">
          <h3 className="font-semibold">The agent says</h3>
          <ul className="flex flex-col gap-1.5">
            {claims.map(({ text, mark, reason }) => (
              <li key={text} className="flex flex-col items-start gap-1 rounded-md border border-line p-2">
                <Badge tone={MARKS[mark].tone}>{MARKS[mark].words}</Badge>
                <span className="break-words">
                  <InlineCode text={text} />
                </span>
                {reason !== undefined && (
                  <span className="text-xs text-muted">
                    <InlineCode text={reason} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
      {decisions.length > 0 && <DecisionList decisions={decisions} />}
      <section aria-label="What ran" className="flex flex-col gap-1.5">
        <h3 className="font-semibold">What ran</h3>
        {rows.length === 0 && <p className="text-muted">Nothing ran in this task.</p>}
        <ul className="flex flex-col divide-y divide-line">
          {rows.map((row) => (
            <Row key={row.id} row={row} />
          ))}
        </ul>
      </section>
    </div>
  )
}

function Row({ row: { by, name, command, status, exitCode, durationMs, reason } }: { row: LedgerRow }) {
  const how = [
    status.replaceAll('_', ' '),
    ...(exitCode === undefined ? [] : [`exit code ${exitCode}`]),
    ...(durationMs === undefined ? [] : [formatDuration(durationMs)]),
  ]
  return (
    <li className="flex flex-col gap-0.5 py-1.5">
      <span className="flex flex-wrap items-center gap-2 text-xs text-muted">
        <Badge tone={status === 'passed' ? 'good' : status === 'failed' ? 'bad' : 'neutral'}>{how.join(' · ')}</Badge>
        {by}
        {name === undefined ? '' : ` · ${name}`}
      </span>
      {command !== undefined && (
        <code className="line-clamp-3 font-mono text-xs break-all">
          <VisibleText text={command} />
        </code>
      )}
      {reason !== undefined && (
        <span className="text-xs text-muted">
          <InlineCode text={reason} />
        </span>
      )}
    </li>
  )
}
