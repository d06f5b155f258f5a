/**
 * Makes characters that cannot be seen visible, one for one, and reads that form back. `⟦\r⟧` stands for a carriage
 * return; where a text itself holds `⟦\`, its bracket is shown as `⟦\u27e6⟧`. So every text has one shown form and every
 * shown form one text.
 */

/**
 * Controls but tab and line feed, no-break spaces and soft hyphens, zero-width marks but the joiners that scripts and
 * emoji need, the line and paragraph separators, what turns the direction of writing, and lone halves of pairs.
 */
const UNSEEN =
  /(?![\t\n])\p{Cc}|[\u00a0\u00ad\u061c\u180e\u200b\u200e\u200f\u202f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}|\u27e6(?=\\)/gu

const SHORT: Readonly<Record<string, string>> = { '\r': 'r', '\f': 'f', '\v': 'v', '\b': 'b' }
const LONG: Readonly<Record<string, string>> = { r: '\r', f: '\f', v: '\v', b: '\b' }

/** A shown form in a text; global, for `replace` alone. */
const SHOWN_FORM = /\u27e6\\(?:([rfvb])|x([0-9a-f]{2})|u([0-9a-f]{4}))\u27e7/g

/** The text with every character that cannot be seen in its visible form. Linear in the length of the text. */
export function showCharacters(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const short = SHORT[character]
    const code = character.charCodeAt(0)
    const name = short ?? (code < 0x100 ? `x${hex(code, 2)}` : `u${hex(code, 4)}`)
    return `\u27e6\\${name}\u27e7`
  })
}

/** The text that a shown form stands for; parts that are no shown form stay as they are. */
export function readShown(shown: string): string {
  return shown.replace(
    SHOWN_FORM,
    (_form, short: string | undefined, byte: string | undefined, unit: string | undefined) =>
      short === undefined ? String.fromCharCode(Number.parseInt(byte ?? unit ?? '', 16)) : (LONG[short] ?? ''),
  )
}

/**
 * The content with each shown form read as its character where `text`, which it becomes a part of, has that character and does
 * not have the form as plain text. Pure; twice gives the same.
 */
export function withNamedCharacters(text: string, content: string): string {
  return content.replace(SHOWN_FORM, (form) => {
    const character = readShown(form)
    return text.includes(character) && !text.includes(form) ? character : form
  })
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
