import { refusal } from './define-tool.ts'
import { sha256 } from './text-file.ts'
import type { Effect, ToolContext, ToolResult } from './tool.ts'

/** One file's next content, and what it replaces. */
export interface Replacement {
  readonly path: string
  /** SHA-256 of the file as it is now, null when there is none. */
  readonly current: string | null
  readonly content: Uint8Array
}

type WriteEffect = Extract<Effect, { kind: 'write' }>

/**
 * What an earlier attempt of this very call left: nothing begun, not done yet, done, or a file that somebody else
 * changed in between.
 */
export function repeatState(begun: Effect | null, current: string | null): 'first' | 'not_done' | 'done' | 'conflict' {
  if (begun === null || begun.kind !== 'write') return 'first'
  if (current === begun.after) return 'done'
  return current === begun.before ? 'not_done' : 'conflict'
}

/** Journals the effect with both hashes, then replaces the file in one step. Throws what `begin` and the sandbox throw. */
export async function replaceFile(context: ToolContext, next: Replacement): Promise<void> {
  context.signal.throwIfAborted()
  const effect: WriteEffect = { kind: 'write', path: next.path, before: next.current, after: sha256(next.content) }
  await context.begin(effect)
  await context.sandbox.write([{ path: next.path, data: next.content }])
}

/** What the model is told when a repeat finds the file neither as it was before nor as it should be. */
export function conflictResult(path: string): ToolResult {
  return refusal(
    `${path} was changed by something else while this call was interrupted, so nothing was written. Read it again and decide anew.`,
  )
}
