import { Columns3, X } from 'lucide-react'
import { useState } from 'react'
import { api } from '../api/client.ts'
import type { Alternative, Comparison } from '../api/types.ts'
import { LineCounts } from '../panels/changes/line-counts.tsx'
import { InlineCode } from '../text/inline-code.tsx'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { formatDuration } from '../ui/format.ts'
import { lazyPart } from '../ui/lazy-part.tsx'
import { Spinner } from '../ui/spinner.tsx'
import { showToast } from '../ui/toast.tsx'
import { costOf, nameOf, standingOf, summaryOf } from './comparison-words.ts'

const ComparisonDialog = lazyPart(() => import('./comparison-dialog.tsx'))

/** A comparison in the thread: where it stands, a line for each alternative, and the way to all of it. */
export function ComparisonCard({ comparison, onChanged }: { comparison: Comparison; onChanged: () => void }) {
  const [shown, setShown] = useState<'comparison' | 'cancel' | null>(null)
  const { id, state, reason, items, chosenIndex } = comparison
  const summary = summaryOf(comparison)
  const isMoving = state === 'running' || state === 'choosing'
  const close = (): void => setShown(null)
  return (
    <section aria-label="Alternatives" className="rounded-lg border border-line">
      <header className="flex flex-wrap items-center gap-x-2 gap-y-1 border-b border-line bg-sunken px-2.5 py-1.5">
        <h3 className="text-sm font-semibold">Alternatives</h3>
        <span role="status" className="min-w-0">
          <Badge
            tone={summary.tone}
            icon={isMoving ? <Spinner className="size-3" /> : undefined}
            className="whitespace-normal"
          >
            {summary.text}
          </Badge>
        </span>
      </header>
      <ul className="flex flex-col divide-y divide-line">
        {items.map((item) => (
          <Line key={item.index} item={item} isChosen={state === 'chosen' && item.index === chosenIndex} />
        ))}
      </ul>
      {reason !== null && (
        <p className="border-t border-line px-2.5 py-1.5 text-xs break-words text-muted">
          <InlineCode text={reason} />
        </p>
      )}
      <footer className="flex flex-wrap gap-1.5 border-t border-line px-2 py-1.5">
        <Button
          size="small"
          look={state === 'waiting' ? 'primary' : 'normal'}
          icon={<Columns3 className="size-3.5" />}
          onClick={() => setShown('comparison')}
        >
          {state === 'waiting' ? 'Compare and choose' : 'Compare'}
        </Button>
        {(state === 'running' || state === 'waiting') && (
          <Button size="small" look="quiet" icon={<X className="size-3.5" />} onClick={() => setShown('cancel')}>
            {state === 'running' ? 'Stop them' : 'Take none'}
          </Button>
        )}
      </footer>
      {shown === 'comparison' && <ComparisonDialog comparison={comparison} onClose={close} onChanged={onChanged} />}
      <ConfirmDialog
        isOpen={shown === 'cancel'}
        onClose={close}
        title={state === 'running' ? 'Stop the alternatives?' : 'Take none of them?'}
        confirmLabel={state === 'running' ? 'Stop them' : 'Take none'}
        isDangerous
        onConfirm={async () => {
          await api.cancelComparison(id)
          onChanged()
          showToast('The alternatives are thrown away; the files stay as they are.')
        }}
      >
        What runs is stopped, and all alternatives are thrown away with their sandboxes. The files of this conversation
        stay as they are.
      </ConfirmDialog>
    </section>
  )
}

/** Neither over nor waiting for anybody. */
function isWorking({ status }: Alternative): boolean {
  return status === 'running' || status === 'cancelling'
}

function Line({ item, isChosen }: { item: Alternative; isChosen: boolean }) {
  const standing = standingOf(item)
  const cost = costOf(item)
  return (
    <li
      className={classNames(
        'flex flex-wrap items-center gap-x-3 gap-y-1 px-2.5 py-1.5 text-sm',
        isChosen && 'bg-accent-soft',
      )}
    >
      <span className="min-w-0 flex-1 basis-40">
        <span className="font-medium">{nameOf(item)}</span>{' '}
        <span className="text-xs break-words text-muted">{item.model}</span>
        {item.criteria !== null && <span className="text-xs text-muted"> · own criteria</span>}
      </span>
      <Badge tone={standing.tone} icon={isWorking(item) ? <Spinner className="size-3" /> : undefined}>
        {standing.title}
      </Badge>
      <span className="flex items-center gap-3 text-xs tabular-nums text-muted">
        {item.diffStat !== null && <LineCounts added={item.diffStat.added} removed={item.diffStat.removed} />}
        {item.durationMs !== null && <span>{formatDuration(item.durationMs)}</span>}
        {cost !== null && <span>{cost}</span>}
      </span>
    </li>
  )
}
