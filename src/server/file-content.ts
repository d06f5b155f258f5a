/** Git looks at as many bytes before it calls a file binary. */
const SNIFFED_BYTES = 8_000

/**
 * A range of a file as the API shows it: text when its bytes are UTF-8 (a byte order mark stays as U+FEFF, a character
 * that the range cuts is left out), else base64. `offset` is where the range begins, in bytes.
 */
export function contentOf(slice: { data: Uint8Array; sizeBytes: number }, offset: number) {
  const data = Buffer.from(slice.data.buffer, slice.data.byteOffset, slice.data.byteLength)
  const { sizeBytes } = slice
  const truncated = offset + data.length < sizeBytes
  const text = textOf(data, { isCutBefore: offset > 0, isCutAfter: truncated })
  return text === undefined
    ? { sizeBytes, encoding: 'base64' as const, content: data.toString('base64'), binary: true, truncated }
    : { sizeBytes, encoding: 'utf-8' as const, content: text, binary: false, truncated }
}

/** The text, or undefined when these bytes are none. A range may begin or end inside a character, which is left out. */
function textOf(data: Buffer, cut: { isCutBefore: boolean; isCutAfter: boolean }): string | undefined {
  if (data.subarray(0, SNIFFED_BYTES).includes(0)) return undefined
  let start = 0
  let end = data.length
  while (cut.isCutBefore && start < Math.min(3, end) && isContinuation(data[start])) start++
  for (let dropped = 0; ; dropped++) {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data.subarray(start, end))
    } catch {
      // Not UTF-8, unless only the last character was cut through.
      if (!cut.isCutAfter || dropped === 3) return undefined
      end--
    }
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000
}
