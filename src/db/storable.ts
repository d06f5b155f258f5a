/** Text that Postgres and JSON take: U+FFFD in the place of NUL and of each half of a surrogate pair. Pure. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\u{FFFD}').toWellFormed()
}
