import { Fragment } from 'react'
import { VisibleText } from '../code/visible-text.tsx'
import { inlinePieces } from './inline-pieces.ts'
import { revealReordering } from './reveal-hidden.ts'

/** One sentence of a model: what stands between backticks as code, all else as it is. No other markup, no links. */
export function InlineCode({ text }: { text: string }) {
  return inlinePieces(text).map(({ isCode, piece }, index) =>
    isCode ? (
      <code key={index} className="rounded bg-hover px-1 py-px font-mono text-[0.9em] break-words">
        <VisibleText text={piece} />
      </code>
    ) : (
      <Fragment key={index}>{revealReordering(piece)}</Fragment>
    ),
  )
}
