import { createHash } from 'node:crypto'
import type { Sandbox } from '../sandbox/types.ts'
import { refusal } from './define-tool.ts'
import { showName } from './shown-name.ts'
import { decodeText, encodingOf, type TextEncoding } from './text-form.ts'
import type { ToolResult } from './tool.ts'

/** Files above this are not taken into memory by a file tool. */
export const MAX_FILE_BYTES = 10 * 1024 * 1024

/** A whole file in memory, decoded. */
export interface TextFile {
  /** A byte order mark is its first character. */
  readonly text: string
  readonly encoding: TextEncoding
  readonly sha256: string
  /** False when bytes had to be replaced to show it: such a text must not be written back. */
  readonly isExact: boolean
}

/** What is at a path; `refused` holds the sentence for the model. */
export type OpenedFile =
  | { readonly kind: 'text'; readonly file: TextFile }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly result: ToolResult }

/** Opens a file of the workspace as text, or says in a sentence for the model why it cannot be. At most 10 MiB. */
export async function openTextFile(sandbox: Sandbox, path: string): Promise<OpenedFile> {
  const found = await statTextFile(sandbox, path)
  if (found.kind !== 'file') return found
  const slice = await sandbox.read(path, { maxBytes: MAX_FILE_BYTES })
  if (slice.sizeBytes > slice.data.byteLength) return refused(tooLarge(path, slice.sizeBytes))
  const bytes = Buffer.from(slice.data.buffer, slice.data.byteOffset, slice.data.byteLength)
  const form = encodingOf(bytes)
  if (form.kind === 'other') return refused(notText(path, bytes.byteLength, form))
  const { encoding } = form
  return { kind: 'text', file: { ...decodeText(bytes, encoding), encoding, sha256: sha256(bytes) } }
}

/** What is at a path, without its content; `refused` holds the sentence for the model. */
export type FoundFile =
  | { readonly kind: 'file'; readonly sizeBytes: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly result: ToolResult }

/** Whether a path is a file that a file tool may take, without reading it. */
export async function statTextFile(sandbox: Sandbox, path: string): Promise<FoundFile> {
  const stat = await sandbox.stat(path)
  if (stat === null) return { kind: 'missing' }
  if (stat.kind === 'directory') return refused(`${showName(path)} is a directory. Use glob to list its files.`)
  if (stat.kind === 'other') return refused(`${showName(path)} is not a regular file.`)
  if (stat.sizeBytes > MAX_FILE_BYTES) return refused(tooLarge(path, stat.sizeBytes))
  return { kind: 'file', sizeBytes: stat.sizeBytes }
}

/** SHA-256 in hex; text is taken as UTF-8. */
export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Why a file that is no text cannot be read or edited, and what can be done about it. */
export function notText(path: string, sizeBytes: number, form: { name: string; iconv: string | null }): string {
  if (form.iconv === null)
    return `${showName(path)} is a binary file of ${sizeBytes} bytes; only text files can be read or edited. Use bash to look at it.`
  return `${showName(path)} is a text file in ${form.name}, which the file tools do not take. Use bash, for example: iconv -f ${form.iconv} -t UTF-8 < file.`
}

/** What is said of a file whose bytes are no valid UTF-8 (or broken UTF-16), when it is to be changed. */
export function notExact(path: string, encoding: TextEncoding): string {
  const what =
    encoding === 'utf-8'
      ? 'is not valid UTF-8 (it may be Latin-1 or Windows-1252)'
      : `holds broken ${encoding.toUpperCase()}`
  return `${showName(path)} ${what}; an edit would damage it, so nothing was written. Use bash instead, for example sed with LC_ALL=C, or convert it with iconv -f WINDOWS-1252 -t UTF-8 first.`
}

function refused(message: string): { readonly kind: 'refused'; readonly result: ToolResult } {
  return { kind: 'refused', result: refusal(message) }
}

function tooLarge(path: string, sizeBytes: number): string {
  return `${showName(path)} has ${sizeBytes} bytes, too many to open whole. Use grep to search it, or bash with head, tail or sed -n.`
}
