import type { RunningCommand } from './command.ts'
import type { Limits } from './limits.ts'

/** A running command and the id of its sandbox. */
export interface WatchedCommand {
  readonly sandbox: string
  readonly command: RunningCommand
}

/** What is watched below which directory, and by which limits. */
export interface WatchOptions {
  readonly dir: string
  readonly limits: Limits
  readonly bwrapPath: string | null
  /** System V shared memory is counted; else no command gets a segment that would matter. */
  readonly countsSegments: boolean
}

/** A watch that runs; `stop` ends it and may be called twice. */
export interface Watch {
  /** Bytes of a sandbox that this process cannot see, e.g. of its checkpoints; they count to its limit. */
  noteStore(sandbox: string, storeBytes: number): void
  stop(): void
}
