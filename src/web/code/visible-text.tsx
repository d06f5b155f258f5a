import type { ReactNode } from 'react'
import { HIDDEN_SIGN } from '../text/reveal-hidden.ts'

/** Whether a text holds a sign that a reader cannot see. */
export function hasHiddenSigns(text: string): boolean {
  return HIDDEN_SIGN.test(text)
}

/** Text from a repository, a model or a program, with each hidden sign shown by its number. */
export function VisibleText({ text }: { text: string }): ReactNode {
  if (!HIDDEN_SIGN.test(text)) return text
  const pieces: ReactNode[] = []
  let plain = ''
  for (const [index, sign] of [...text.replaceAll('\r', '')].entries()) {
    if (!HIDDEN_SIGN.test(sign)) {
      plain += sign
      continue
    }
    pieces.push(plain, <HiddenSign key={index} sign={sign} />)
    plain = ''
  }
  pieces.push(plain)
  // `isolate` keeps a direction that some sign has switched on from reaching what stands beside this text.
  return <bdi>{pieces}</bdi>
}

function HiddenSign({ sign }: { sign: string }) {
  const number = (sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return (
    <span className="rounded-sm bg-warn-soft px-0.5 text-[0.85em] text-warn" title={`hidden sign U+${number}`}>
      U+{number}
    </span>
  )
}
