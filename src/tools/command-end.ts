import type { ExecState } from '../sandbox/types.ts'

/** What is kept of a command's output: its head and its tail, and how much is missing between them. */
export interface KeptOutput {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly omittedBytes: number
}

/**
 * How a command ended, as `command.finished` tells it. `kept` is null for a command that printed nothing. A command that still
 * runs when it is told as ended was lost. Pure.
 */
export function commandEnd(state: ExecState, kept: KeptOutput | null) {
  const isCut = kept !== null && kept.omittedBytes > 0
  return {
    status: state.status === 'running' ? ('lost' as const) : state.status,
    exitCode: state.exitCode,
    durationMs: Math.max(0, (state.endedAt ?? state.startedAt) - state.startedAt),
    truncated: isCut,
    bytes: state.bytes,
    output: (kept === null
      ? Buffer.of()
      : isCut
        ? Buffer.from(kept.head)
        : Buffer.concat([kept.head, kept.tail])
    ).toString('base64'),
    ...(isCut ? { tail: Buffer.from(kept.tail).toString('base64') } : {}),
  }
}
