/** A path whose characters are its bytes (latin1), as people read it: UTF-8, with U+FFFD for what is none. Pure. */
export function shownPath(path: string): string {
  return Buffer.from(path, 'latin1').toString()
}
