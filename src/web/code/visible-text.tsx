import type { ReactNode } from 'react'

/**
 * Signs that change how text looks without being seen: direction overrides and isolates, zero-width and soft signs,
 * variation tags, and control characters other than tab and line break (Unicode TR36 and the "Trojan Source" paper,
 * https://trojansource.codes, name them).
 */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]|\u034f|\u17b4|\u17b5|\p{Variation_Selector}/u

/** Whether a text holds a sign that a reader cannot see. */
export function hasHiddenSigns(text: string): boolean {
  return HIDDEN.test(text)
}

/** Text from a repository, a model or a program, with each hidden sign shown by its number. */
export function VisibleText({ text }: { text: string }): ReactNode {
  if (!HIDDEN.test(text)) return text
  const pieces: ReactNode[] = []
  let plain = ''
  for (const [index, sign] of [...text].entries()) {
    if (!HIDDEN.test(sign)) {
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
