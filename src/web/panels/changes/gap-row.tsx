import { ChevronsDown, ChevronsUp, ChevronsUpDown } from 'lucide-react'
import type { ReactNode } from 'react'
import { VisibleText } from '../../code/visible-text.tsx'
import { formatPlural } from '../../ui/format.ts'
import { Spinner } from '../../ui/spinner.tsx'
import type { DiffBlock } from './expand-hunks.ts'
import { LINES_A_STEP } from './use-expansion.ts'

interface GapRowProps {
  readonly gap: Extract<DiffBlock, { kind: 'gap' }>
  readonly isFirst: boolean
  readonly isLast: boolean
  readonly isBusy: boolean
  readonly columns: number
  onShow(where: 'below' | 'above' | 'all'): void
}

/** Where unchanged lines are left out: how many, and the way to see them. */
export function GapRow({ gap: { hidden, heading }, isFirst, isLast, isBusy, columns, onShow }: GapRowProps) {
  const isSmall = hidden !== null && hidden <= LINES_A_STEP
  const count = hidden === null ? 'lines' : formatPlural(hidden, 'line')
  return (
    <tr className="bg-sunken text-muted">
      <td colSpan={columns} className="px-1 py-0.5 font-sans select-none">
        <span className="flex min-w-0 items-center gap-0.5">
          {isSmall && (
            <Show label={`Show ${count}`} isBusy={isBusy} onClick={() => onShow('all')}>
              <ChevronsUpDown aria-hidden="true" className="size-3.5" />
            </Show>
          )}
          {!isSmall && !isFirst && (
            <Show label={`Show ${LINES_A_STEP} lines further down`} isBusy={isBusy} onClick={() => onShow('below')}>
              <ChevronsDown aria-hidden="true" className="size-3.5" />
            </Show>
          )}
          {!isSmall && !isLast && (
            <Show label={`Show ${LINES_A_STEP} lines further up`} isBusy={isBusy} onClick={() => onShow('above')}>
              <ChevronsUp aria-hidden="true" className="size-3.5" />
            </Show>
          )}
          {hidden !== null && (
            <button
              type="button"
              disabled={isBusy}
              onClick={() => onShow('all')}
              className="shrink-0 rounded px-1 tabular-nums hover:text-ink hover:underline"
            >
              {`${count} unchanged`}
            </button>
          )}
          {hidden === null && <span className="px-1">the rest is unchanged</span>}
          {heading !== '' && (
            <span className="ml-1 min-w-0 truncate font-mono text-faint">
              <VisibleText text={heading} />
            </span>
          )}
        </span>
      </td>
    </tr>
  )
}

function Show({
  label,
  isBusy,
  onClick,
  children,
}: {
  label: string
  isBusy: boolean
  onClick: () => void
  children: ReactNode
}) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={isBusy}
      onClick={onClick}
      className="inline-flex h-6 w-7 shrink-0 items-center justify-center rounded hover:bg-hover hover:text-ink"
    >
      {isBusy ? <Spinner className="size-3" /> : children}
    </button>
  )
}
