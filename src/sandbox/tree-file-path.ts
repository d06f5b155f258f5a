/** Begins the text of a name that is not UTF-8; each character after it is a byte. */
const BYTES = '\u0001'

/** The name of a file in bytes as text that a database takes and that says the same bytes again. Pure. */
export function toPathText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8')
  const isText = !text.startsWith(BYTES) && Buffer.from(text, 'utf8').equals(Buffer.from(bytes))
  return isText ? text : BYTES + Buffer.from(bytes).toString('latin1')
}

/** The bytes of a name that {@link toPathText} wrote. Pure. */
export function fromPathText(text: string): Buffer {
  return text.startsWith(BYTES) ? Buffer.from(text.slice(BYTES.length), 'latin1') : Buffer.from(text, 'utf8')
}
