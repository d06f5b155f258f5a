/** A change as a mailbox with one message, which `git am` takes. */

export interface PatchMail {
  /** One line. */
  readonly title: string
  /** What stands below it in the commit; may be empty. */
  readonly body: string
  readonly author: { readonly name: string; readonly email: string }
  readonly date: Date
  /** Git's table of the files that changed. */
  readonly stat: Uint8Array
  readonly patch: Uint8Array
}

/** Git takes any line that begins so for the beginning of an mbox; the hash names no commit. */
const FROM_LINE = `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\n`
const BASE64_LINE = 76
/** Bytes of text in one encoded word of a header, so that it stays below 75 characters. */
const WORD_BYTES = 42

/**
 * Writes the mailbox. Line ends of files stay what they are: a message with CRLF in it is written in base64, since `git am`
 * takes a CR at a line's end for the mail's own. Pure.
 */
export function writePatchMail({ title, body, author, date, stat, patch }: PatchMail): Buffer {
  const message = Buffer.concat([
    Buffer.from(body === '' ? '---\n' : `${guardedBody(body)}\n---\n`),
    Buffer.from(stat),
    Buffer.from('\n'),
    Buffer.from(patch),
    Buffer.from('-- \nKeelson\n\n'),
  ])
  const isEncoded = message.includes('\r\n')
  const headers = [
    `From: ${address(author)}`,
    `Date: ${mailDate(date)}`,
    `Subject: ${folded(encodedHeader(`[PATCH] ${title}`))}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=UTF-8',
    `Content-Transfer-Encoding: ${isEncoded ? 'base64' : '8bit'}`,
  ]
  return Buffer.concat([
    Buffer.from(FROM_LINE),
    Buffer.from(`${headers.join('\n')}\n\n`),
    isEncoded ? Buffer.from(inLines(message.toString('base64'))) : message,
  ])
}

/** Lines at which `git am` would take the message for ended, moved by one space. Pure. */
export function guardedBody(body: string): string {
  return body
    .trim()
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line) => (/^(---|diff -|Index: |From |>+From |-- >8|\s*-- ?>8|-- $|--$)/.test(line) ? ` ${line}` : line))
    .join('\n')
    .concat('\n')
}

function address({ name, email }: PatchMail['author']): string {
  const isPlain = /^[A-Za-z0-9 _'-]+$/.test(name)
  return `${isPlain ? name : encodedHeader(name, true)} <${email}>`
}

function mailDate(date: Date): string {
  return date.toUTCString().replace(/^(\w+), 0?(\d+) (.*) GMT$/, '$1, $2 $3 +0000')
}

function encodedHeader(text: string, always = false): string {
  if (!always && /^[\x20-\x7e]*$/.test(text) && !text.includes('=?')) return text
  const words: string[] = []
  let piece = ''
  for (const character of text) {
    if (Buffer.byteLength(piece + character) > WORD_BYTES) {
      words.push(piece)
      piece = ''
    }
    piece += character
  }
  return [...words, piece].map((word) => `=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`).join('\n ')
}

/** Long plain headers are broken at a space. */
function folded(text: string): string {
  return text.includes('\n') ? text : text.replace(/(.{60,}?) (?=\S)/g, '$1\n ')
}

function inLines(base64: string): string {
  const found: string[] = []
  for (let at = 0; at < base64.length; at += BASE64_LINE) found.push(base64.slice(at, at + BASE64_LINE))
  return `${found.join('\n')}\n`
}
