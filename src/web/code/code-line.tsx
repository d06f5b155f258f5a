import type { CSSProperties } from 'react'
import type { Token } from './highlight-worker.ts'
import { VisibleText } from './visible-text.tsx'

/** The part of a line that differs from its other version, in UTF-16 code units. */
export interface ChangedSpan {
  readonly start: number
  readonly end: number
  /** How it is marked. */
  readonly className: string
}

/** One line of code, coloured when its tokens are there; hidden signs are always shown. */
export function CodeLine({
  text,
  tokens,
  span,
}: {
  text: string
  tokens?: readonly Token[] | undefined
  span?: ChangedSpan | undefined
}) {
  const whole = tokens ?? [[text, '', ''] as const]
  const pieces = span === undefined ? whole.map((token) => ({ token, isChanged: false })) : cut(whole, span)
  return pieces.map(({ token: [content, light, dark], isChanged }, index) => (
    <span
      // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line never move
      key={index}
      style={colour(light, dark)}
      className={isChanged ? span?.className : undefined}
    >
      <VisibleText text={content} />
    </span>
  ))
}

interface Piece {
  readonly token: Token
  readonly isChanged: boolean
}

/** Tokens cut where the span begins and ends. */
function cut(tokens: readonly Token[], { start, end }: ChangedSpan): Piece[] {
  const pieces: Piece[] = []
  let offset = 0
  for (const [content, light, dark] of tokens) {
    const marks = [0, start - offset, end - offset, content.length].map((mark) =>
      Math.min(Math.max(mark, 0), content.length),
    )
    for (const [index, from] of marks.slice(0, -1).entries()) {
      const to = marks[index + 1] ?? content.length
      if (to > from) pieces.push({ token: [content.slice(from, to), light, dark], isChanged: index === 1 })
    }
    offset += content.length
  }
  return pieces
}

function colour(light: string, dark: string): CSSProperties | undefined {
  return light === '' || dark === '' ? undefined : { color: `light-dark(${light}, ${dark})` }
}
