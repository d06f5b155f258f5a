/** How a text file is written down: which bytes stand for its characters. The line ends are in line-ends.ts. */

import { isUtf8 } from 'node:buffer'
import { unfinishedUtf8 } from '../shared/text/unfinished-utf8.ts'

/** The encodings that the file tools read and write back; UTF-16 only with a byte order mark. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be'

/** As much of a file as is looked at for NUL bytes, which no text in UTF-8 has. */
const PROBE_BYTES = 8_192
/** As a character; its bytes differ from encoding to encoding. */
export const BYTE_ORDER_MARK = '\ufeff'

/** A text that can be edited, or what a file is instead; `iconv` is the name by which iconv knows it. */
export type FoundEncoding =
  | { readonly kind: 'text'; readonly encoding: TextEncoding }
  /** `name` says what the bytes look like, for a sentence: "UTF-32", "UTF-16 without a byte order mark" … */
  | { readonly kind: 'other'; readonly name: string; readonly iconv: string | null }

/** Tells a file's encoding from its first bytes (8 KB are enough). Bytes that are no valid UTF-8 still count as `utf-8`. */
export function encodingOf(head: Uint8Array): FoundEncoding {
  const bytes = head.subarray(0, PROBE_BYTES)
  if (startsWith(bytes, [0xff, 0xfe, 0, 0])) return { kind: 'other', name: 'UTF-32', iconv: 'UTF-32' }
  if (startsWith(bytes, [0, 0, 0xfe, 0xff])) return { kind: 'other', name: 'UTF-32', iconv: 'UTF-32' }
  if (startsWith(bytes, [0xff, 0xfe])) return { kind: 'text', encoding: 'utf-16le' }
  if (startsWith(bytes, [0xfe, 0xff])) return { kind: 'text', encoding: 'utf-16be' }
  if (!bytes.includes(0)) return { kind: 'text', encoding: 'utf-8' }
  return withNul(bytes)
}

/** Text in UTF-16 has a NUL in every second place as far as it is Latin; anything else with a NUL is no text. */
function withNul(bytes: Uint8Array): FoundEncoding {
  const odd = bytes.filter((byte, index) => index % 2 === 1 && byte === 0).length
  const even = bytes.filter((byte, index) => index % 2 === 0 && byte === 0).length
  const pairs = bytes.length / 2
  if (odd > pairs * 0.7 && even < pairs * 0.1)
    return { kind: 'other', name: 'UTF-16 without a byte order mark', iconv: 'UTF-16LE' }
  if (even > pairs * 0.7 && odd < pairs * 0.1)
    return { kind: 'other', name: 'UTF-16 without a byte order mark', iconv: 'UTF-16BE' }
  return { kind: 'other', name: 'binary', iconv: null }
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return bytes.length >= mark.length && mark.every((byte, index) => bytes[index] === byte)
}

/** Characters, and whether the same bytes can be made from them again. */
export interface DecodedText {
  /** A byte order mark is its first character. */
  readonly text: string
  /** False when bytes had to be replaced by U+FFFD: such a text must not be written back. */
  readonly isExact: boolean
}

/** The characters of a whole file. What no character stands for becomes U+FFFD, and the text is then not exact. */
export function decodeText(bytes: Buffer, encoding: TextEncoding): DecodedText {
  if (encoding === 'utf-8') return { text: bytes.toString('utf-8'), isExact: isUtf8(bytes) }
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 2))
  const text = (encoding === 'utf-16be' ? Buffer.from(whole).swap16() : whole).toString('utf16le')
  const isExact = whole.length === bytes.length && text.isWellFormed()
  return { text: isExact ? text : text.toWellFormed(), isExact }
}

/** The bytes of a text; exact for every text that `decodeText` gave as exact. */
export function encodeText(text: string, encoding: TextEncoding): Buffer {
  if (encoding === 'utf-8') return Buffer.from(text, 'utf-8')
  const bytes = Buffer.from(text, 'utf16le')
  return encoding === 'utf-16be' ? bytes.swap16() : bytes
}

/** Cuts a stream of bytes where characters end, so that each piece can be decoded by itself. */
export class TextStream {
  readonly #encoding: TextEncoding
  #rest: Buffer = Buffer.alloc(0)
  #isExact = true

  constructor(encoding: TextEncoding) {
    this.#encoding = encoding
  }

  /** False once a byte had to be replaced. */
  get isExact(): boolean {
    return this.#isExact
  }

  /** The characters that `bytes` complete; `isLast` gives the rest too. */
  push(bytes: Uint8Array, isLast: boolean): string {
    const all = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes])
    const end = isLast ? all.length : all.length - unfinishedBytes(all, this.#encoding)
    this.#rest = all.subarray(end)
    const { text, isExact } = decodeText(all.subarray(0, end), this.#encoding)
    this.#isExact &&= isExact
    return text
  }
}

/** How many bytes at the end of `bytes` begin a character that is not whole yet: at most 3. */
function unfinishedBytes(bytes: Buffer, encoding: TextEncoding): number {
  if (encoding !== 'utf-8') {
    const odd = bytes.length % 2
    const high = bytes[bytes.length - odd - (encoding === 'utf-16le' ? 1 : 2)] ?? 0
    return (high & 0xfc) === 0xd8 ? odd + 2 : odd
  }
  return unfinishedUtf8(bytes)
}
