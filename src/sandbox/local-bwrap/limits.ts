import { availableParallelism, totalmem } from 'node:os'

/** What one command and one workspace may use. All sizes in bytes. */
export interface Limits {
  /** Longest wall-clock time a caller may ask for, in milliseconds. */
  readonly maxTimeoutMs: number
  readonly maxProcesses: number
  readonly memoryBytes: number
  /** Largest single file a command may write, and the size of its /tmp. */
  readonly fileBytes: number
  readonly openFiles: number
  /** Size of the workspace with its checkpoints and the project's caches, looked at while commands run. */
  readonly workspaceBytes: number
  /** Names in the workspace, each link of a file counted. */
  readonly workspaceNames: number
  /** A command is stopped when the disk under the workspaces has less than this left. */
  readonly minFreeDiskBytes: number
  /** Commands that run at a time on this host, of all projects together; who comes later waits for a place. */
  readonly maxCommands: number
  /** Services that run at a time on this host, of all projects together; they take no command's place. */
  readonly maxServices: number
}

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const COMMANDS_PER_CORE = 8
const BYTES_PER_COMMAND = 512 * MIB

/** As many as the processors and the memory of this host serve well; most commands use a part of what they may. */
function commandsOfThisHost(): number {
  const fitting = Math.min(availableParallelism() * COMMANDS_PER_CORE, Math.floor(totalmem() / BYTES_PER_COMMAND))
  return Math.max(4, Math.min(64, fitting))
}

/** What a command and a sandbox get where nothing else is set. */
export const DEFAULT_LIMITS: Limits = {
  maxTimeoutMs: 600_000,
  maxProcesses: 256,
  memoryBytes: 2 * GIB,
  fileBytes: GIB,
  openFiles: 4096,
  workspaceBytes: 5 * GIB,
  workspaceNames: 1_000_000,
  minFreeDiskBytes: 256 * MIB,
  maxCommands: commandsOfThisHost(),
  maxServices: Math.max(4, Math.ceil(commandsOfThisHost() / 2)),
}

/** The part of a command's output that is kept from its start; what comes later goes through the ring of the tail. */
export const LOG_HEAD_BYTES = 8 * MIB
/** How much of a long output's end is kept, in bytes. */
export const LOG_TAIL_BYTES = 256 * 1024

/** Why a command was ended, for the model and people. */
export function overMemory({ memoryBytes }: Limits): string {
  return `It was stopped because it used more than ${inMib(memoryBytes)} MiB of memory.`
}

/** As {@link overMemory}. */
export function overProcesses({ maxProcesses }: Limits): string {
  return `It was stopped because it ran more than ${maxProcesses} processes and threads.`
}

/** A number of bytes in whole MiB, for sentences. Pure. */
export function inMib(bytes: number): number {
  return Math.round(bytes / MIB)
}
