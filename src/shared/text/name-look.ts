/** What the name of a file looks like to a person, so that two names which look the same can be told to be two. Pure. */

/** Nothing is seen of these: soft hyphens, zero-width spaces and word joiners, marks and overrides of the direction, controls. */
const UNSEEN =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]|(?![\t\n\v\f\r])\p{Cc}/gu
/** Printable ASCII, which looks like nothing else but in its case, spaces and quotes. */
const PLAIN = /^[ -~]*$/
const SPACES = /[\p{Zs}\t\n\v\f\r\u2028\u2029]/gu
/** Joiners and variation selectors, which change a character without being one. */
const MODIFIERS = /\u034f|\u200c|\u200d|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]/gu
const SINGLE_QUOTES = /[\u2018-\u201b\u2032\u02bc\u00b4`]/g
const DOUBLE_QUOTES = /[\u201c-\u201f\u2033\u00ab\u00bb]/g
const DASHES = /[\u2010-\u2015\u2212\u2043\ufe58\ufe63]/g
/** Letters of Cyrillic and Greek, each with the Latin one that it, or its capital, looks like. */
const LOOKS_LATIN: ReadonlyMap<string, string> = new Map(
  'аa вb сc ԁd еe һh нh іi јj кk ӏl мm оo рp ԛq ѕs тt ѵv ԝw хx уy αa βb εe ηh ιi κk μm νv οo ρp τt υu χx ζz'
    .split(' ')
    .map((pair) => [pair.slice(0, 1), pair.slice(1)] as const),
)

/**
 * The name as it is seen: composed letters, one kind of space, nothing that is not seen. Two names with the same look
 * cannot be told apart on a screen. Also takes whole paths.
 */
export function lookOf(name: string): string {
  if (PLAIN.test(name)) return name
  return name.replace(UNSEEN, '').replace(SPACES, ' ').normalize('NFC')
}

/**
 * What is left of a name without upper and lower case, typographic quotes and dashes, forms of one letter, foreign letters
 * that look Latin, and further or trailing spaces. Names that agree in it are easily taken for each other, but may well be two.
 */
export function roughLookOf(name: string): string {
  const letters = PLAIN.test(name) ? name.replaceAll('`', "'").toLowerCase() : latinLettersOf(name)
  return letters.replace(/ +/g, ' ').trim()
}

function latinLettersOf(name: string): string {
  const plain = lookOf(name)
    .normalize('NFKC')
    .replace(MODIFIERS, '')
    .replace(SINGLE_QUOTES, "'")
    .replace(DOUBLE_QUOTES, '"')
    .replace(DASHES, '-')
    .toLowerCase()
  return [...plain].map((letter) => LOOKS_LATIN.get(letter) ?? letter).join('')
}
