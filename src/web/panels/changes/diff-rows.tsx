import { Fragment, type ReactNode } from 'react'
import type { PatchLine } from '../../../shared/patch.ts'
import type { Finding } from '../../../shared/review.ts'
import { CodeLine } from '../../code/code-line.tsx'
import type { Token } from '../../code/highlight-worker.ts'
import { InlineCode } from '../../text/inline-code.tsx'
import { classNames } from '../../ui/class-names.ts'
import { FindingBadges } from '../../ui/review-badges.tsx'
import { changedSpan, pairLines } from './patch-lines.ts'

/** The colours of a line, once they are there. */
export type TokensOf = (line: PatchLine) => readonly Token[] | undefined

/** Lines of one hunk with what stands beside them; `line` is the one that the address names. */
export interface RowsProps {
  readonly lines: readonly PatchLine[]
  readonly tokensOf: TokensOf
  readonly findings: readonly Finding[]
  readonly line: number | null
  /** What stands below a line, such as the comment that is being written on it. */
  readonly belowLine: (line: PatchLine) => ReactNode
  /** Begins a comment on the line; null where nobody reads one. */
  readonly onComment: ((line: PatchLine) => void) | null
}

const LOOK = {
  added: { row: 'bg-good-soft', mark: '+', word: 'added', strong: 'bg-good/25' },
  removed: { row: 'bg-bad-soft', mark: '−', word: 'removed', strong: 'bg-bad/25' },
  context: { row: '', mark: ' ', word: '', strong: '' },
} as const

/** Columns of a table whose sides stand under each other: two numbers and the text. */
export const UNIFIED_COLUMNS = 3
/** Columns of a table whose sides stand beside each other: a number and a text each. */
export const SPLIT_COLUMNS = 4

/** Lines that follow each other, removed and added ones under each other. */
export function UnifiedRows({ lines, tokensOf, findings, line, belowLine, onComment }: RowsProps) {
  const spans = spansOf(lines)
  return (
    <tbody>
      {lines.map((patchLine, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a diff never move
        <Fragment key={index}>
          <tr
            className={classNames(
              'group/line',
              LOOK[patchLine.kind].row,
              isNamed(patchLine, line) && 'outline-2 outline-accent',
            )}
          >
            <NumberCell
              line={patchLine}
              side="before"
              onComment={patchLine.kind === 'removed' ? onComment : null}
              isAnchor={false}
            />
            <NumberCell line={patchLine} side="after" onComment={onComment} isAnchor />
            <CodeCell line={patchLine} tokens={tokensOf(patchLine)} span={spans.get(patchLine)} />
          </tr>
          <BelowLine line={patchLine} findings={findings} columns={UNIFIED_COLUMNS} belowLine={belowLine} />
        </Fragment>
      ))}
    </tbody>
  )
}

/** The same with the file as it was on the left and as it is on the right. */
export function SplitRows({ lines, tokensOf, findings, line, belowLine, onComment }: RowsProps) {
  const spans = spansOf(lines)
  const cell = (patchLine: PatchLine | null, side: 'before' | 'after'): ReactNode =>
    patchLine === null ? (
      <>
        <td className="bg-sunken" />
        <td className="bg-sunken" />
      </>
    ) : (
      <>
        <NumberCell
          line={patchLine}
          side={side}
          onComment={side === 'after' || patchLine.kind === 'removed' ? onComment : null}
          isAnchor={side === 'after'}
          className={LOOK[patchLine.kind].row}
        />
        <CodeCell
          line={patchLine}
          tokens={tokensOf(patchLine)}
          span={spans.get(patchLine)}
          className={classNames('w-1/2', LOOK[patchLine.kind].row)}
        />
      </>
    )
  return (
    <tbody>
      {pairLines(lines).map(({ left, right }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a diff never move
        <Fragment key={index}>
          <tr
            className={classNames('group/line', right !== null && isNamed(right, line) && 'outline-2 outline-accent')}
          >
            {cell(left, 'before')}
            {cell(right, 'after')}
          </tr>
          {left !== null && left !== right && (
            <BelowLine line={left} findings={[]} columns={SPLIT_COLUMNS} belowLine={belowLine} />
          )}
          {right !== null && (
            <BelowLine line={right} findings={findings} columns={SPLIT_COLUMNS} belowLine={belowLine} />
          )}
        </Fragment>
      ))}
    </tbody>
  )
}

function isNamed(patchLine: PatchLine, line: number | null): boolean {
  return line !== null && patchLine.after === line
}

/**
 * A line's number on one side; where a comment can be written it is the button for it. `isAnchor`: the cell of the file's
 * own line number, where the address can jump to.
 */
function NumberCell({
  line,
  side,
  onComment,
  isAnchor,
  className,
}: {
  line: PatchLine
  side: 'before' | 'after'
  onComment: ((line: PatchLine) => void) | null
  isAnchor: boolean
  className?: string
}) {
  const number = line[side]
  return (
    <td
      data-line={isAnchor ? (number ?? undefined) : undefined}
      className={classNames('w-px min-w-9 p-0 text-right align-top text-faint tabular-nums select-none', className)}
    >
      {number !== null && onComment !== null ? (
        <button
          type="button"
          tabIndex={-1}
          data-comment={line.kind}
          aria-label={`Comment on ${LOOK[line.kind].word} line ${number}`}
          title="Comment on this line"
          onClick={() => onComment(line)}
          className="relative w-full rounded-sm px-1.5 text-right group-hover/line:text-accent hover:bg-accent hover:text-on-accent focus-visible:bg-accent focus-visible:text-on-accent focus-visible:-outline-offset-1"
        >
          {number}
        </button>
      ) : (
        <span className="px-1.5">{number}</span>
      )}
    </td>
  )
}

interface Span {
  readonly start: number
  readonly end: number
}

function CodeCell({
  line,
  tokens,
  span,
  className,
}: {
  line: PatchLine
  tokens: readonly Token[] | undefined
  span: Span | undefined
  className?: string
}) {
  const look = LOOK[line.kind]
  return (
    <td className={classNames('relative pr-2 pl-5 align-top break-all whitespace-pre-wrap', className)}>
      <span aria-hidden="true" className="absolute left-1.5 select-none">
        {look.mark}
      </span>
      {look.word !== '' && <span className="sr-only">{look.word}: </span>}
      <CodeLine text={line.text} tokens={tokens} span={span && { ...span, className: look.strong }} />
      {line.isUnended && <span className="text-faint"> (no line break at the end)</span>}
    </td>
  )
}

function spansOf(lines: readonly PatchLine[]): Map<PatchLine, Span> {
  const spans = new Map<PatchLine, Span>()
  for (const { left, right } of pairLines(lines)) {
    if (left === null || right === null || left.kind !== 'removed') continue
    const span = changedSpan(left.text, right.text)
    if (span === null) continue
    spans.set(left, { start: span.start, end: span.leftEnd })
    spans.set(right, { start: span.start, end: span.rightEnd })
  }
  return spans
}

/** Findings on the line, then whatever else stands below it. */
function BelowLine({
  line,
  findings,
  columns,
  belowLine,
}: {
  line: PatchLine
  findings: readonly Finding[]
  columns: number
  belowLine: RowsProps['belowLine']
}) {
  const own = findings.filter((finding) => finding.line !== undefined && finding.line === line.after)
  const below = belowLine(line)
  return (
    <>
      {own.map((finding) => (
        <tr key={finding.id}>
          <td colSpan={columns} className="p-0">
            <FindingNote finding={finding} />
          </td>
        </tr>
      ))}
      {below !== null && (
        <tr>
          <td colSpan={columns} className="border-y border-line-strong bg-raised px-3 py-2 font-sans text-sm">
            {below}
          </td>
        </tr>
      )}
    </>
  )
}

/** What the reviewer found, beside what it is about. */
export function FindingNote({ finding }: { finding: Finding }) {
  return (
    <div
      data-finding={finding.id}
      tabIndex={-1}
      role="note"
      aria-label="Finding"
      className="border-l-2 border-warn bg-raised px-4 py-2 font-sans text-sm"
    >
      <FindingBadges finding={finding} /> <InlineCode text={finding.claim} />
    </div>
  )
}
