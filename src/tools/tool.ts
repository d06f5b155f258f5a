/** What a tool is: its definition for the model, and a `run` that can be repeated after a crash without a second effect. */

import type { z } from 'zod'
import type { Decided, PersonAsk } from '../approvals/person-ask.ts'
import type { ToolDefinition } from '../model/types.ts'
import type { ExecState, FileChangeKind, Sandbox } from '../sandbox/types.ts'
import type { Effect } from '../shared/effect.ts'
import type { PlanItem } from '../shared/plan.ts'
import type { ServiceDesk } from './service-desk.ts'

export type { Effect }

/** What a call knows of its surroundings; made anew for each call and each attempt at it. */
export interface ToolContext {
  readonly toolUseId: string
  readonly taskId: string
  readonly sandbox: Sandbox
  /** Aborts on cancellation and on the worker's shutdown; `signal.reason` is rethrown by the tool, never turned into a result. */
  readonly signal: AbortSignal
  /** Paths this conversation has read or written, relative to the workspace: editing wants one of these. */
  readonly knownPaths: ReadonlySet<string>
  /** The project's long-lived servers; absent where they cannot be run, and for a reviewer. */
  readonly services?: ServiceDesk | undefined
  /** What an earlier attempt announced for this very call, or null. */
  readonly begun: Effect | null
  /** What a person decided about this call; null when nobody was to be asked. */
  readonly decided: Decided | null
  /** Journals the effect and announces the start; called exactly once, directly before the effect. Throws `lease_lost`. */
  begin(effect: Effect): Promise<void>
  /** A piece of a command's output, at its byte offset. Must not throw. */
  onOutput(offset: number, data: Uint8Array): void
  /** Proof of life while the call waits: without it for two minutes the attempt is taken for wedged. Must not throw. */
  onProgress(): void
}

/** What a call came to, for the model and for people. */
export interface ToolResult {
  /** What the model reads; control sequences stripped, at most about 30,000 characters. */
  readonly content: string
  readonly isError: boolean
  readonly fileChange?: {
    readonly path: string
    readonly kind: FileChangeKind
    readonly added: number
    readonly removed: number
  }
  /** The plan to show from now on. */
  readonly plan?: readonly PlanItem[]
  /** The ended command, for `command.finished`. */
  readonly exec?: ExecState
}

/** One thing that a model may call. */
export interface Tool<Input = unknown> {
  readonly definition: ToolDefinition
  readonly schema: z.ZodType<Input>
  /** Read-only calls of one reply run in parallel and need no journalled start. */
  readonly readOnly: boolean
  /** What a person must decide before this call runs, whatever the project's policy. Pure. */
  asksPerson?(input: Input): PersonAsk
  /**
   * Failures the model can act on are results with `isError`; what is thrown is infrastructure (`sandbox_*`, retried) or
   * cancellation. Safe to repeat with the same `toolUseId`.
   */
  run(input: Input, context: ToolContext): Promise<ToolResult>
}
