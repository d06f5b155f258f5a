/** Text from repositories, models and terminals may hold characters that hide or reorder what one reads. Pure. */

const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/**
 * A sign that changes how text looks without being seen: direction overrides and isolates, zero-width, filler and soft
 * signs, tags, variation selectors, and control characters but tab and line break (Unicode TR36;
 * https://trojansource.codes). A carriage return is left out, since it only stands before line breaks as a rule.
 */
export const HIDDEN_SIGN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]|\u034f|\u17b4|\u17b5|\p{Variation_Selector}/u
const HIDDEN_SIGNS = new RegExp(HIDDEN_SIGN, 'gu')

/** For code, commands, paths: each character that one cannot see, as its number. */
export function revealHidden(text: string): string {
  return text.replaceAll('\r', '').replace(HIDDEN_SIGNS, mark)
}

/** For prose: what reorders text as its number; joiners stay, since scripts and emoji need them. */
export function revealReordering(text: string): string {
  return text.replace(REORDERING, mark).replace(CONTROL, '')
}

function mark(character: string): string {
  return `⟦U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟧`
}
