/** Reads a page of lines from a file of any allowed size without holding more of the file than one piece. */

import type { Sandbox } from '../sandbox/types.ts'
import { countLineEnds, type LineEnd, type LineEndCounts, lineEndOf } from './line-ends.ts'
import { MAX_LINE_CHARS } from './numbered-lines.ts'
import { BYTE_ORDER_MARK, encodingOf, type FoundEncoding, type TextEncoding, TextStream } from './text-form.ts'

const PIECE_BYTES = 512 * 1024

/** One line without its line end. */
export interface PageLine {
  /** At most the beginning that is shown. */
  readonly text: string
  readonly length: number
}

/** Some lines of a file, and the form of the whole of it. */
export interface FilePage {
  readonly kind: 'page'
  readonly lines: readonly PageLine[]
  readonly totalLines: number
  readonly lineEnds: LineEndCounts
  readonly encoding: TextEncoding
  readonly hasByteOrderMark: boolean
  readonly isExact: boolean
}

/** Which lines are wanted. */
export interface PageAsk {
  /** First line, from 1. */
  readonly first: number
  readonly limit: number
  /** The page ends before the line that would go beyond; it has at least one line. */
  readonly maxChars: number
}

/**
 * The lines `first` to `first + limit - 1` of a file, and what is true of the whole file. The file is read in pieces of
 * 512 KiB; a line keeps its first 2,000 characters. In a file of mixed line ends a line that ends with CRLF keeps its CR.
 * Throws what the sandbox throws. Safe to repeat.
 */
export async function readFilePage(
  sandbox: Pick<Sandbox, 'read'>,
  path: string,
  ask: PageAsk,
): Promise<FilePage | Extract<FoundEncoding, { kind: 'other' }>> {
  let scanner: PageScanner | undefined
  let stream: TextStream | undefined
  let encoding: TextEncoding = 'utf-8'
  for (let offset = 0, isLast = false; !isLast; ) {
    const { data, sizeBytes } = await sandbox.read(path, { offset, length: PIECE_BYTES })
    offset += data.byteLength
    isLast = data.byteLength === 0 || offset >= sizeBytes
    if (stream === undefined) {
      const form = encodingOf(data)
      if (form.kind === 'other') return form
      encoding = form.encoding
      stream = new TextStream(encoding)
    }
    const text = stream.push(data, isLast)
    scanner ??= new PageScanner(ask, lineEndOf(countLineEnds(text)) === '\r')
    scanner.push(text, isLast)
  }
  return {
    kind: 'page',
    ...(scanner ?? new PageScanner(ask, false)).page(),
    encoding,
    isExact: stream?.isExact ?? true,
  }
}

interface KeptLine extends PageLine {
  readonly endsWithCrlf: boolean
}

class PageScanner {
  readonly #ask: PageAsk
  readonly #endsWithCr: boolean
  readonly #kept: KeptLine[] = []
  readonly #counts = { lf: 0, crlf: 0, cr: 0 }
  #room: number
  #isFull = false
  #number = 1
  #line = ''
  #lineLength = 0
  #held = ''
  #hasByteOrderMark: boolean | undefined

  constructor(ask: PageAsk, endsWithCr: boolean) {
    this.#ask = ask
    this.#room = ask.maxChars
    this.#endsWithCr = endsWithCr
  }

  push(piece: string, isLast: boolean): void {
    let text = this.#held + piece
    if (this.#hasByteOrderMark === undefined && text !== '') {
      this.#hasByteOrderMark = text.startsWith(BYTE_ORDER_MARK)
      if (this.#hasByteOrderMark) text = text.slice(1)
    }
    // Whether a carriage return ends a line by itself is known only with what follows it.
    this.#held = !isLast && text.endsWith('\r') ? '\r' : ''
    if (this.#held !== '') text = text.slice(0, -1)
    let from = 0
    for (let at = this.#next(text, 0); at !== -1; at = this.#next(text, from)) {
      const end = lineEndAt(text, at)
      const start = end === '\r\n' && text.charCodeAt(at) === 10 ? at - 1 : at
      this.#add(text, from, start)
      this.#endLine(end)
      from = start + end.length
    }
    this.#add(text, from, text.length)
    if (isLast && this.#lineLength > 0) this.#endLine(null)
  }

  page() {
    const isMixed = lineEndOf(this.#counts) === 'mixed'
    return {
      lines: this.#kept.map(({ text, length, endsWithCrlf }): PageLine => {
        return isMixed && endsWithCrlf ? { text: `${text}\r`, length: length + 1 } : { text, length }
      }),
      totalLines: this.#number - 1,
      lineEnds: { ...this.#counts },
      hasByteOrderMark: this.#hasByteOrderMark === true,
    }
  }

  /** Where the next line end is, at its first or its second character; -1: nowhere. */
  #next(text: string, from: number): number {
    const lf = text.indexOf('\n', from)
    if (!this.#endsWithCr) return lf
    const cr = text.indexOf('\r', from)
    return lf === -1 || cr === -1 ? Math.max(lf, cr) : Math.min(lf, cr)
  }

  #add(text: string, from: number, to: number): void {
    this.#lineLength += to - from
    const wanted = !this.#isFull && this.#number >= this.#ask.first
    if (wanted && this.#line.length < MAX_LINE_CHARS)
      this.#line += text.slice(from, Math.min(to, from + MAX_LINE_CHARS))
  }

  #endLine(end: string | null): void {
    if (end === '\n') this.#counts.lf++
    else if (end === '\r\n') this.#counts.crlf++
    else if (end === '\r') this.#counts.cr++
    if (!this.#isFull && this.#number >= this.#ask.first) this.#keep(end === '\r\n')
    this.#number++
    this.#line = ''
    this.#lineLength = 0
  }

  #keep(endsWithCrlf: boolean): void {
    this.#room -= Math.min(this.#lineLength, MAX_LINE_CHARS) + 8
    if (this.#room < 0 && this.#kept.length > 0) {
      this.#isFull = true
      return
    }
    // Copied, so that a short line does not hold the piece it was cut from.
    const text = Buffer.from(this.#line, 'utf16le').toString('utf16le')
    this.#kept.push({ text, length: this.#lineLength, endsWithCrlf })
    this.#isFull = this.#kept.length >= this.#ask.limit
  }
}

function lineEndAt(text: string, at: number): LineEnd {
  if (text.charCodeAt(at) === 10) return text.charCodeAt(at - 1) === 13 ? '\r\n' : '\n'
  return text.charCodeAt(at + 1) === 10 ? '\r\n' : '\r'
}
