/** What one command and one workspace may use. All sizes in bytes. */
export interface Limits {
  /** Longest wall-clock time a caller may ask for, in milliseconds. */
  readonly maxTimeoutMs: number
  readonly maxProcesses: number
  readonly memoryBytes: number
  /** Largest single file a command may write, and the size of its /tmp. */
  readonly fileBytes: number
  readonly openFiles: number
  /** Size of the workspace, looked at while commands run. */
  readonly workspaceBytes: number
  /** A command is stopped when the disk under the workspaces has less than this left. */
  readonly minFreeDiskBytes: number
}

const MIB = 1024 * 1024
const GIB = 1024 * MIB

export const DEFAULT_LIMITS: Limits = {
  maxTimeoutMs: 600_000,
  maxProcesses: 256,
  memoryBytes: 2 * GIB,
  fileBytes: GIB,
  openFiles: 4096,
  workspaceBytes: 5 * GIB,
  minFreeDiskBytes: 256 * MIB,
}

/** The part of a command's output that is kept from its start; what comes later goes through the ring of the tail. */
export const LOG_HEAD_BYTES = 8 * MIB
export const LOG_TAIL_BYTES = 256 * 1024
