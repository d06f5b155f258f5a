/** Makes bytes that a program printed safe to read: for the model, for Postgres (no NUL) and for JSON (no lone surrogate). */

// CSI, then the string sequences (OSC, DCS, SOS, PM, APC) when they are closed, then two-character escapes.
const ESCAPE_SEQUENCES =
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]/g
const CONTROL_CHARACTERS = /(?![\t\n])\p{Cc}/gu
const LONE_SURROGATES = /\p{Surrogate}/gu

/**
 * Removes terminal control sequences and control characters, keeps tabs and line feeds, resolves carriage returns as a
 * terminal would show them (a progress bar leaves its last state), and puts U+FFFD for NUL and for lone surrogates.
 * Linear in the length of the text.
 */
export function cleanText(text: string): string {
  const plain = text.replace(ESCAPE_SEQUENCES, '')
  return overwriteReturns(plain)
    .replaceAll('\0', '\ufffd')
    .replace(CONTROL_CHARACTERS, '')
    .replace(LONE_SURROGATES, '\ufffd')
}

function overwriteReturns(text: string): string {
  if (!text.includes('\r')) return text
  return text
    .split('\n')
    .map((line) => {
      const shown = line.replace(/\r+$/, '')
      return shown.slice(shown.lastIndexOf('\r') + 1)
    })
    .join('\n')
}

/** At most `maxLength` UTF-16 units of `text`, never half a surrogate pair. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  const last = text.charCodeAt(maxLength - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxLength - 1 : maxLength)
}

/** What is kept of an output: all of it, when `omittedBytes` is 0, else its beginning and its end. */
export interface HeadAndTail {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly omittedBytes: number
}

/**
 * A command's output as text: head, then, when something lies between, a line that counts the omitted bytes, then tail.
 * `hint` follows the count, for instance how to see the rest. Invalid UTF-8 becomes U+FFFD.
 */
export function showOutput(output: HeadAndTail, hint = ''): string {
  const decoder = new TextDecoder()
  if (output.omittedBytes === 0) {
    return cleanText(decoder.decode(Buffer.concat([output.head, output.tail])))
  }
  // A cut may fall inside a character; its pieces would show as replacement marks that the program never printed.
  const head = cleanText(decoder.decode(output.head).replace(/\ufffd{1,3}$/, ''))
  const tail = cleanText(decoder.decode(output.tail).replace(/^\ufffd{1,3}/, ''))
  return `${head}\n[… ${output.omittedBytes} bytes left out here …${hint}]\n${tail}`
}
