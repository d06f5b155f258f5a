/** Text from repositories, models and terminals may hold characters that hide or reorder what one reads. Pure. */

const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const HIDDEN =
  /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|\p{Variation_Selector}/gu
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** For code, commands, paths: each character that one cannot see, as its number. */
export function revealHidden(text: string): string {
  return text.replace(HIDDEN, mark).replace(CONTROL, (character) => (character === '\r' ? '' : mark(character)))
}

/** For prose: what reorders text as its number; joiners stay, since scripts and emoji need them. */
export function revealReordering(text: string): string {
  return text.replace(REORDERING, mark).replace(CONTROL, '')
}

function mark(character: string): string {
  return `⟦U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟧`
}
