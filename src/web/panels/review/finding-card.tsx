import { Check, X } from 'lucide-react'
import { useState } from 'react'
import type { Finding } from '../../../shared/review.ts'
import { api } from '../../api/client.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { InlineCode } from '../../text/inline-code.tsx'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { FindingBadges } from '../../ui/review-badges.tsx'
import { showFault } from '../../ui/toast.tsx'

/** One finding with its evidence, and a person's word on it. */
export function FindingCard({
  finding,
  onOpen,
  onJudged,
}: {
  finding: Finding
  /** Leads to the place it names. */
  onOpen: () => void
  onJudged: () => void
}) {
  const [reason, setReason] = useState(finding.judgement?.reason ?? '')
  const [busyWith, setBusyWith] = useState<'confirm' | 'dismiss' | null>(null)
  const judge = async (verdict: 'confirm' | 'dismiss'): Promise<void> => {
    setBusyWith(verdict)
    try {
      await api.judgeFinding(finding.id, verdict, reason.trim() === '' ? undefined : reason.trim())
      onJudged()
    } catch (error) {
      showFault(error)
    } finally {
      setBusyWith(null)
    }
  }
  const place =
    finding.file === undefined ? null : `${finding.file}${finding.line === undefined ? '' : `:${finding.line}`}`
  const given = finding.judgement?.verdict
  return (
    <li className="flex flex-col gap-1.5 rounded-md border border-line p-2.5 text-sm">
      <div className="flex flex-wrap items-center gap-1.5">
        <FindingBadges finding={finding} />
        {finding.criterionId !== undefined && <Badge>{finding.criterionId}</Badge>}
        {place !== null && (
          <button type="button" onClick={onOpen} className="truncate font-mono text-xs text-accent underline">
            <VisibleText text={place} />
          </button>
        )}
      </div>
      <p className="break-words">
        <InlineCode text={finding.claim} />
      </p>
      <details className="text-xs text-muted">
        <summary>Evidence</summary>
        <p className="mt-1 break-words whitespace-pre-wrap">
          <InlineCode text={finding.evidence} />
        </p>
        {finding.scenario !== undefined && (
          <p className="mt-1 break-words whitespace-pre-wrap">
            <InlineCode text={finding.scenario} />
          </p>
        )}
      </details>
      <div className="flex flex-wrap items-center gap-1.5">
        <div className="min-w-32 flex-1">
          <TextField
            label="Why"
            isLabelHidden
            placeholder="Why (optional)"
            maxLength={500}
            value={reason}
            className="h-7 text-xs"
            onChange={(event) => setReason(event.target.value)}
          />
        </div>
        <Button
          size="small"
          look={given === 'confirm' ? 'primary' : 'normal'}
          aria-pressed={given === 'confirm'}
          isBusy={busyWith === 'confirm'}
          icon={<Check className="size-3.5" />}
          onClick={() => void judge('confirm')}
        >
          Right
        </Button>
        <Button
          size="small"
          look={given === 'dismiss' ? 'danger' : 'normal'}
          aria-pressed={given === 'dismiss'}
          isBusy={busyWith === 'dismiss'}
          icon={<X className="size-3.5" />}
          onClick={() => void judge('dismiss')}
        >
          Wrong
        </Button>
      </div>
    </li>
  )
}
