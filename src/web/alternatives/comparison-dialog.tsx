import { Check } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { canBeChosen, isComparisonOver } from '../../shared/comparison.ts'
import { EVIDENCE_WORDS } from '../../shared/evidence.ts'
import { isOver } from '../../shared/task.ts'
import { api } from '../api/client.ts'
import type { Alternative, Comparison } from '../api/types.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { LineCounts } from '../panels/changes/line-counts.tsx'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { classNames } from '../ui/class-names.ts'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { formatDuration, formatPlural } from '../ui/format.ts'
import { showToast } from '../ui/toast.tsx'
import { AlternativeDiff } from './alternative-diff.tsx'
import { costOf, nameOf, standingOf, summaryOf } from './comparison-words.ts'

interface ComparisonDialogProps {
  readonly comparison: Comparison
  readonly onClose: () => void
  readonly onChanged: () => void
}

/** All alternatives side by side, each with its diff; one of them can be taken. Lives as long as it is open. */
export default function ComparisonDialog({ comparison, onClose, onChanged }: ComparisonDialogProps) {
  const { id, items, state, chosenIndex } = comparison
  const [diffOf, setDiffOf] = useState<number | null>(null)
  const [asked, setAsked] = useState<Alternative | null>(null)
  const canChoose = state === 'waiting'
  const rows: readonly { readonly name: string; readonly cell: (item: Alternative) => ReactNode }[] = [
    { name: 'Result', cell: (item) => <Standing item={item} /> },
    {
      name: 'Evidence',
      cell: ({ evidence }) =>
        evidence === null ? null : (
          <Badge tone={evidence === 'verified' ? 'good' : 'warn'}>{EVIDENCE_WORDS[evidence]}</Badge>
        ),
    },
    { name: 'Failed checks', cell: ({ failedChecks }) => failedChecks },
    { name: 'Open findings', cell: ({ openFindings }) => openFindings },
    {
      name: 'Changes',
      cell: ({ index, diffStat }) =>
        diffStat === null ? null : (
          <span className="flex flex-col items-start gap-1">
            {diffStat.files === 0 ? (
              <span className="text-muted">none</span>
            ) : (
              <span>
                {formatPlural(diffStat.files, 'file')} <LineCounts added={diffStat.added} removed={diffStat.removed} />
              </span>
            )}
            {diffStat.files > 0 && isKept(comparison, index) && (
              <Button
                size="small"
                aria-pressed={diffOf === index}
                onClick={() => setDiffOf(diffOf === index ? null : index)}
              >
                {diffOf === index ? 'Hide the diff' : 'Show the diff'}
                <span className="sr-only"> of {nameOf({ index })}</span>
              </Button>
            )}
          </span>
        ),
    },
    { name: 'Cost', cell: (item) => costOf(item) },
    { name: 'Time', cell: ({ durationMs }) => (durationMs === null ? null : formatDuration(durationMs)) },
    {
      name: 'Model',
      cell: ({ model }) => (
        <span className="break-words">
          <VisibleText text={model} />
        </span>
      ),
    },
    { name: 'Criteria', cell: ({ criteria }) => <Criteria criteria={criteria} /> },
  ]
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="whole"
      title="Alternatives side by side"
      description={summaryOf(comparison).text}
    >
      <div
        role="region"
        aria-label="Comparison"
        tabIndex={0}
        className="-mx-5 overflow-x-auto px-5 focus-visible:-outline-offset-2"
      >
        <table className="w-full table-fixed border-separate border-spacing-0 text-sm">
          <colgroup>
            <col className="w-24" />
            {items.map((item) => (
              <col key={item.index} className="w-36" />
            ))}
          </colgroup>
          <thead>
            <tr>
              <td className={HEAD_CELL} />
              {items.map((item) => (
                <th
                  key={item.index}
                  scope="col"
                  className={classNames(CELL, 'text-left font-semibold', columnLook(comparison, item))}
                >
                  {nameOf(item)}
                  {state === 'chosen' && item.index === chosenIndex && (
                    <Badge tone="good" className="ml-2" icon={<Check aria-hidden="true" className="size-3" />}>
                      {item.index === 0 ? 'kept' : 'taken'}
                    </Badge>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, cell }) => (
              <tr key={name}>
                <th scope="row" className={HEAD_CELL}>
                  {name}
                </th>
                {items.map((item) => (
                  <td key={item.index} className={classNames(CELL, columnLook(comparison, item))}>
                    {cell(item) ?? <span className="text-faint">–</span>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
          {canChoose && (
            <tfoot>
              <tr>
                <td className={HEAD_CELL} />
                {items.map((item) => (
                  <td key={item.index} className={CELL}>
                    {canBeChosen(item) ? (
                      <Button size="small" look="primary" onClick={() => setAsked(item)}>
                        {item.index === 0 ? 'Keep this one' : 'Take this one'}
                        <span className="sr-only"> ({nameOf(item)})</span>
                      </Button>
                    ) : (
                      <span className="text-xs text-faint">has no result</span>
                    )}
                  </td>
                ))}
              </tr>
            </tfoot>
          )}
        </table>
      </div>
      {diffOf !== null && (
        <AlternativeDiff key={diffOf} comparisonId={id} index={diffOf} name={nameOf({ index: diffOf })} />
      )}
      <ConfirmDialog
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        title={asked?.index === 0 ? 'Keep this task’s result?' : `Take ${asked === null ? 'it' : nameOf(asked)}?`}
        confirmLabel={asked?.index === 0 ? 'Keep it' : 'Take it'}
        onConfirm={async () => {
          if (asked === null) return
          await api.chooseAlternative(id, asked.index)
          onChanged()
          onClose()
          showToast(asked.index === 0 ? 'The files stay as they are.' : `${nameOf(asked)} is taken.`)
        }}
      >
        {asked?.index === 0
          ? 'The files stay as they are. The alternatives are thrown away with their sandboxes.'
          : 'The files of this conversation become its files. A checkpoint of the present state is kept, so that this can be undone. The others are thrown away with their sandboxes.'}
      </ConfirmDialog>
    </Dialog>
  )
}

const CELL = 'border-b border-line px-3 py-2 align-top tabular-nums'
const HEAD_CELL =
  'sticky left-0 z-10 border-b border-line bg-raised py-2 pr-3 text-left align-top text-xs font-normal text-muted'

function columnLook({ state, chosenIndex }: Comparison, { index }: Alternative): string | false {
  return state === 'chosen' && index === chosenIndex && 'bg-accent-soft'
}

/** Once it is decided, the files of what was not taken are gone. */
function isKept({ state, chosenIndex }: Comparison, index: number): boolean {
  return index === 0 || !isComparisonOver(state) || index === chosenIndex
}

function Standing({ item }: { item: Alternative }) {
  const { title, tone } = standingOf(item)
  return (
    <span className="flex flex-col items-start gap-1">
      <Badge tone={tone} className="whitespace-normal">
        {title}
      </Badge>
      {item.error !== null && (
        <span className="text-xs break-words text-muted">
          <VisibleText text={item.error} />
        </span>
      )}
      {!isOver(item.status) && (
        <a
          href={`/p/${encodeURIComponent(item.projectId)}/c/${encodeURIComponent(item.conversationId)}`}
          className="text-xs text-accent underline underline-offset-2"
        >
          Look at its work
        </a>
      )}
    </span>
  )
}

function Criteria({ criteria }: { criteria: readonly string[] | null }) {
  if (criteria === null) return <span className="text-muted">the project’s</span>
  return (
    <ul className="flex list-disc flex-col gap-0.5 pl-4 text-xs">
      {criteria.map((text) => (
        <li key={text} className="break-words">
          <VisibleText text={text} />
        </li>
      ))}
    </ul>
  )
}
