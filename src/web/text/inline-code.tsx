import { Fragment } from 'react'
import { VisibleText } from '../code/visible-text.tsx'
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

/** A text taken apart at its backticks; a run of them without its pair stays text. Pure, in one pass. */
export function inlinePieces(text: string): { readonly isCode: boolean; readonly piece: string }[] {
  const tokens = text.split(/(`+)/)
  const lastOf = new Map(tokens.map((token, index) => [token, index]))
  const pieces: { isCode: boolean; piece: string }[] = []
  let plain = ''
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    const isRun = at % 2 === 1
    const end = isRun && (lastOf.get(token) ?? at) > at ? tokens.indexOf(token, at + 1) : -1
    if (end < 0) {
      plain += token
      continue
    }
    if (plain !== '') pieces.push({ isCode: false, piece: plain })
    plain = ''
    const code = tokens.slice(at + 1, end).join('')
    pieces.push({ isCode: true, piece: code.trim() === '' ? code : code.trim() })
    at = end
  }
  if (plain !== '') pieces.push({ isCode: false, piece: plain })
  return pieces
}
