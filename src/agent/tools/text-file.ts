import { createHash } from 'node:crypto'
import type { Sandbox } from '../../sandbox/types.ts'
import { refusal } from './define-tool.ts'
import type { ToolResult } from './tool.ts'

/** Files above this are not taken into memory by a file tool. */
const MAX_FILE_BYTES = 10 * 1024 * 1024
const BINARY_PROBE_BYTES = 8_192

export interface TextFile {
  readonly text: string
  readonly sha256: string
  /** False when bytes had to be replaced to show it: such a text must not be written back. */
  readonly isUtf8: boolean
}

export type OpenedFile =
  | { readonly kind: 'text'; readonly file: TextFile }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly result: ToolResult }

/** Opens a file of the workspace as text, or says in a sentence for the model why it cannot be. At most 10 MiB. */
export async function openTextFile(sandbox: Sandbox, path: string): Promise<OpenedFile> {
  const stat = await sandbox.stat(path)
  if (stat === null) return { kind: 'missing' }
  if (stat.kind === 'directory') return refused(`${path} is a directory. Use glob to list its files.`)
  if (stat.kind === 'other') return refused(`${path} is not a regular file.`)
  if (stat.sizeBytes > MAX_FILE_BYTES) return refused(tooLarge(path, stat.sizeBytes))
  const slice = await sandbox.read(path, { maxBytes: MAX_FILE_BYTES })
  if (slice.sizeBytes > slice.data.byteLength) return refused(tooLarge(path, slice.sizeBytes))
  const bytes = Buffer.from(slice.data)
  if (bytes.subarray(0, BINARY_PROBE_BYTES).includes(0)) {
    return refused(`${path} is a binary file of ${bytes.byteLength} bytes; only text files can be read or edited.`)
  }
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return {
    kind: 'text',
    file: { text, sha256: sha256(bytes), isUtf8: Buffer.from(text, 'utf-8').equals(bytes) },
  }
}

/** SHA-256 in hex; text is taken as UTF-8. */
export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex')
}

function refused(message: string): OpenedFile {
  return { kind: 'refused', result: refusal(message) }
}

function tooLarge(path: string, sizeBytes: number): string {
  return `${path} has ${sizeBytes} bytes, too many to open whole. Use grep to search it, or bash with head, tail or sed -n.`
}
