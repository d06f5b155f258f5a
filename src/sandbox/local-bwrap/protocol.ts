/** What worker and runner say to each other: one JSON object a line, answers carry the request's id. */

import type { ErrorCode } from '../../shared/errors.ts'
import type { ExecState } from '../types.ts'

/** A start as it crosses the socket; every field was checked by the sender. */
export interface StartMessage {
  readonly execId: string
  readonly taskId: string
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Base64; null is no input at all, `open` waits for `input` messages. */
  readonly stdin: string | null
  readonly stdinOpen: boolean
  readonly timeoutMs: number
  readonly idleTimeoutMs: number
  /** Whether the command has the sandbox's way out, see {@link ExecSpec.network}. */
  readonly network: boolean
  /** Name of a directory in the base directory's `doors`. */
  readonly door?: string
}

export type RunnerRequest =
  | { readonly op: 'start'; readonly sandbox: string; readonly spec: StartMessage }
  | {
      readonly op: 'wait'
      readonly sandbox: string
      readonly execId: string
      readonly cursor: number
      readonly waitMs: number
    }
  | { readonly op: 'input'; readonly sandbox: string; readonly execId: string; readonly data: string | null }
  | { readonly op: 'kill'; readonly sandbox: string; readonly execId: string }
  | { readonly op: 'killAll'; readonly sandbox: string; readonly taskId: string | null }
  /** Ends a `wait` of this connection early; has no answer of its own. */
  | { readonly op: 'cancel'; readonly target: number }
  /** Asks the runner to end when nothing runs and nobody else is connected. */
  | { readonly op: 'leave' }

export type RunnerReply =
  | { readonly ok: true; readonly states: readonly ExecState[] }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string }

export type Numbered<T> = T & { readonly id: number }

/** Longest line either side takes: standard input of 8 MiB in base64 and its frame. */
export const MAX_LINE_BYTES = 12 * 1024 * 1024
export const MAX_STDIN_BYTES = 8 * 1024 * 1024

/** Splits a byte stream into lines; throws when a line is longer than MAX_LINE_BYTES. */
export function createLineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let pending: Buffer[] = []
  let pendingBytes = 0
  return (chunk) => {
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      pending.push(rest.subarray(0, end))
      const line = Buffer.concat(pending).toString('utf8')
      pending = []
      pendingBytes = 0
      rest = rest.subarray(end + 1)
      onLine(line)
    }
    if (rest.length > 0) pending.push(rest)
    pendingBytes += rest.length
    if (pendingBytes > MAX_LINE_BYTES) throw new Error('line too long')
  }
}
