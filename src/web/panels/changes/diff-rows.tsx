import type { ReactNode } from 'react'
import type { Finding } from '../../../shared/review.ts'
import { CodeLine } from '../../code/code-line.tsx'
import type { Token } from '../../code/highlight-worker.ts'
import { VisibleText } from '../../code/visible-text.tsx'
import { classNames } from '../../ui/class-names.ts'
import { FindingBadges } from '../../ui/review-badges.tsx'
import { changedSpan, type PatchHunk, type PatchLine, pairLines } from './parse-patch.ts'

/** The colours of a line, once they are there. */
export type TokensOf = (line: PatchLine) => readonly Token[] | undefined

export interface RowsProps {
  readonly hunk: PatchHunk
  readonly tokensOf: TokensOf
  readonly findings: readonly Finding[]
  readonly line: number | null
}

const LOOK = {
  added: { row: 'bg-good-soft', mark: '+', word: 'added', strong: 'bg-good/25' },
  removed: { row: 'bg-bad-soft', mark: '−', word: 'removed', strong: 'bg-bad/25' },
  context: { row: '', mark: ' ', word: '', strong: '' },
} as const

/** A hunk with removed and added lines under each other. */
export function UnifiedRows({ hunk, tokensOf, findings, line }: RowsProps) {
  const spans = spansOf(hunk.lines)
  return (
    <tbody>
      <HeadingRow heading={hunk.heading} columns={3} />
      {hunk.lines.map((patchLine, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a diff never move
        <FragmentRows key={index}>
          <tr className={classNames(LOOK[patchLine.kind].row, isNamed(patchLine, line) && 'outline-2 outline-accent')}>
            <NumberCell number={patchLine.before} />
            <NumberCell number={patchLine.after} isAnchor />
            <CodeCell line={patchLine} tokens={tokensOf(patchLine)} span={spans.get(patchLine)} />
          </tr>
          <FindingRows line={patchLine} findings={findings} columns={3} />
        </FragmentRows>
      ))}
    </tbody>
  )
}

/** A hunk with the file as it was on the left and as it is on the right. */
export function SplitRows({ hunk, tokensOf, findings, line }: RowsProps) {
  const spans = spansOf(hunk.lines)
  const cell = (patchLine: PatchLine | null, side: 'before' | 'after'): ReactNode =>
    patchLine === null ? (
      <>
        <td className="bg-sunken" />
        <td className="bg-sunken" />
      </>
    ) : (
      <>
        <NumberCell number={patchLine[side]} isAnchor={side === 'after'} className={LOOK[patchLine.kind].row} />
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
      <HeadingRow heading={hunk.heading} columns={4} />
      {pairLines(hunk.lines).map(({ left, right }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a diff never move
        <FragmentRows key={index}>
          <tr className={classNames(right !== null && isNamed(right, line) && 'outline-2 outline-accent')}>
            {cell(left, 'before')}
            {cell(right, 'after')}
          </tr>
          {right !== null && <FindingRows line={right} findings={findings} columns={4} />}
        </FragmentRows>
      ))}
    </tbody>
  )
}

function FragmentRows({ children }: { children: ReactNode }) {
  return children
}

function isNamed(patchLine: PatchLine, line: number | null): boolean {
  return line !== null && patchLine.after === line
}

function HeadingRow({ heading, columns }: { heading: string; columns: number }) {
  return (
    <tr className="bg-sunken text-faint">
      <td colSpan={columns} className="px-3 py-0.5 select-none">
        <span aria-hidden="true">⋯ </span>
        <VisibleText text={heading} />
        {heading === '' && <span className="sr-only">further down</span>}
      </td>
    </tr>
  )
}

/** `isAnchor`: the cell of the file's own line number, where the address can jump to. */
function NumberCell({
  number,
  className,
  isAnchor = false,
}: {
  number: number | null
  className?: string
  isAnchor?: boolean
}) {
  return (
    <td
      data-line={isAnchor ? (number ?? undefined) : undefined}
      className={classNames('w-px min-w-9 px-1.5 text-right align-top text-faint tabular-nums select-none', className)}
    >
      {number}
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

function FindingRows({ line, findings, columns }: { line: PatchLine; findings: readonly Finding[]; columns: number }) {
  const own = findings.filter((finding) => finding.line !== undefined && finding.line === line.after)
  return own.map((finding) => (
    <tr key={finding.id}>
      <td colSpan={columns} className="border-l-2 border-warn bg-raised px-4 py-2 font-sans text-sm">
        <FindingBadges finding={finding} /> <VisibleText text={finding.claim} />
      </td>
    </tr>
  ))
}
