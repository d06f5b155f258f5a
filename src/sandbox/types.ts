/**
 * The sandbox contract: everything a tool does to a project's files or processes goes through these two interfaces.
 * Providers: `local-bwrap` (Linux namespaces on the worker's host), `e2b` (a cloud VM), `unsafe-host` (explicit only).
 */

import type { Socket } from 'node:net'
import type { LeftOut } from '../shared/left-out.ts'
import type { Network, NetworkDenial } from '../shared/network.ts'

/** Which provider made a sandbox; part of its stored identity, so a name is never changed or used anew. */
export type SandboxKind = 'local-bwrap' | 'e2b' | 'unsafe-host'

/** One thing that keeps commands from this host or from each other, and whether it does. */
export interface Protection {
  /** A word or two with `-` between them, e.g. `kernel-settings`. */
  readonly name: string
  readonly holds: boolean
  /** What does it: which of several ways is in use here. */
  readonly by: string
  /** One sentence: how it is known, or what is wrong and what to do. May name paths of the host. */
  readonly detail: string
}

/** What a provider found when it looked at its surroundings. `ok: false` means: take no tasks, and say why. */
export interface ProbeReport {
  readonly ok: boolean
  readonly kind: SandboxKind
  /** One sentence for a person: what works, or what is missing and how to get it. */
  readonly detail: string
  readonly isolation: {
    readonly userNamespace: boolean
    readonly network: boolean
    readonly seccomp: boolean
    readonly pidLimit: boolean
    readonly memoryLimit: boolean
  }
  /** All that was looked at, in a fixed order; empty when nothing could be asked. */
  readonly protections: readonly Protection[]
}

/** Durable identity of a sandbox; stored in Postgres as it is, so plain data only. */
export interface SandboxRef {
  readonly kind: SandboxKind
  readonly projectId: string
  readonly generation: number
  /** The provider's own name for it: a directory, a VM id. */
  readonly id: string
}

/** What {@link SandboxProvider.ensure} is asked for: the sandbox of one generation of one project. */
export interface EnsureSpec {
  readonly projectId: string
  readonly generation: number
  /** Where an earlier `ensure` left it, if any. */
  readonly existing?: SandboxRef
  /** Which provider makes it, where there are several; default that of `existing`, else the first. */
  readonly kind?: SandboxKind
  /** Commands that ran in a predecessor which was lost: starting one of them again finds it `lost`. */
  readonly lostExecs?: readonly { readonly execId: string; readonly taskId: string }[]
}

/** A sandbox as its provider knows it, for listings, costs and the search for sandboxes that nobody owns. */
export interface SandboxSummary {
  readonly ref: SandboxRef
  /** Milliseconds since the epoch, also `endAt`: when it ends or is paused unless somebody extends it. */
  readonly createdAt: number
  readonly state: 'running' | 'paused'
  readonly endAt?: number
  /** What it is billed by, where it is. */
  readonly cpus?: number
  readonly memoryMb?: number
}

/** Which of these tasks are not over. What is no task's name is over. */
export type Unfinished = (taskIds: readonly string[]) => Promise<ReadonlySet<string>>

/** Makes, opens, lists and destroys sandboxes of one kind. Every call may be repeated and made by several processes at once. */
export interface SandboxProvider {
  readonly kind: SandboxKind
  /** Looks, never changes anything that lasts. Safe to repeat. */
  probe(): Promise<ProbeReport>
  /**
   * Idempotent on projectId + generation. An `existing` of the same generation that is not there any more is never made
   * anew, since its files are lost: `sandbox_gone`; the caller raises the generation. Throws `sandbox_unavailable`,
   * `sandbox_auth_failed`, `sandbox_unreachable`.
   */
  ensure(spec: EnsureSpec): Promise<SandboxRef>
  /** Opens what `ensure` made. Throws `sandbox_gone` (never silently replaced) or `sandbox_unreachable` (retried). */
  open(ref: SandboxRef): Promise<Sandbox>
  list(): AsyncIterable<SandboxSummary>
  /** Ends every process and removes the files. Safe to repeat. */
  destroy(ref: SandboxRef): Promise<void>
  /**
   * Forgets the records (state and output) of commands that ended longer ago than this; returns how many. `unfinished` says
   * which of some tasks are not over: their records stay, since a command that is started again must be found, or it would
   * run twice. Throws what `unfinished` throws. Safe to repeat.
   */
  prune(olderThanMs: number, unfinished: Unfinished): Promise<number>
  /** Releases what the provider itself holds (connections, spare processes); running commands go on. */
  close(): Promise<void>
}

/** How a command stands. All but `running` are final; `lost`: nobody knows how it ended, so it is never started again. */
export type ExecStatus = 'running' | 'exited' | 'timed_out' | 'idle_timed_out' | 'killed' | 'oom' | 'lost'

/** What is known of a command; once its status is final nothing of it changes any more. */
export interface ExecState {
  readonly execId: string
  readonly status: ExecStatus
  readonly exitCode: number | null
  readonly signal: string | null
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly endedAt: number | null
  /** Bytes the command printed in all; `droppedBytes` of them were beyond the log's head and tail. */
  readonly bytes: number
  readonly droppedBytes: number
  /** One sentence when a limit other than time ended it, e.g. too many processes. */
  readonly reason?: string
  /** The command never ran, since this host made no sandbox for it; `reason` says why and what to do. */
  readonly noSandbox?: true
}

/** A command to be started, with its limits. The provider refuses with `sandbox_bad_request` what is out of bounds. */
export interface ExecSpec {
  /** Chosen by the caller and unique in the sandbox: 1 to 128 characters of `[A-Za-z0-9_.-]`. Starting it again attaches. */
  readonly execId: string
  /** Groups execs for `killAll`. */
  readonly taskId: string
  readonly argv: readonly string[] | { readonly sh: string }
  /** Relative to the workspace; default its root. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What the command reads, then its end. `open`: nothing yet, `input` writes to it. Left out: no input at all. */
  readonly stdin?: Uint8Array | 'open'
  /** Wall-clock limit; the runner kills the whole tree after it. At most 600,000. */
  readonly timeoutMs: number
  /** Limit without any output; 0 means none. */
  readonly idleTimeoutMs?: number
  /** Whether the command may use what {@link Sandbox.network} allows; default false. In a VM all commands may. */
  readonly network?: boolean
  /** Name of a directory in {@link Doors.dir} that this command sees, and no other one does. */
  readonly door?: string
  /**
   * A server that is to outlive tasks: it may run for {@link MAX_SERVICE_MS}, takes no place of other commands, and
   * {@link Sandbox.services} reaches what it listens on. Default false.
   */
  readonly service?: boolean
  /** Whether the command finds on its own loopback what the sandbox's services listen on; default false. */
  readonly reachesServices?: boolean
  /**
   * The kept installations of a project, which this command sees at {@link KeptInstallations.dir} and no other one does: to
   * read, or with `write` to keep one, which only the sandbox's own project may. It sees the project's cache then, too.
   */
  readonly kept?: { readonly projectId: string; readonly write: boolean }
}

/** What set-ups installed, kept for a project outside the reach of its commands; see {@link ExecSpec.kept}. */
export interface KeptInstallations {
  /** Where a command that was given them finds them. */
  readonly dir: string
  /** What a project's may come to on disk; 0: none are kept. */
  readonly maxBytes: number
  /** Whether the project has one of this name (64 hexadecimal digits). Throws `sandbox_bad_request` for another name. */
  has(projectId: string, key: string): boolean
}

/** The longest that a service may run, in milliseconds: seven days. */
export const MAX_SERVICE_MS = 7 * 24 * 3_600_000

/** Where the services of a sandbox are reached from outside. What they say of themselves is a project's word. */
export interface ServiceDoors {
  /** The ports that a service listens on now, in the order in which they appeared, at most 16; none when it has ended. */
  ports(execId: string): Promise<readonly number[]>
  /**
   * A connection to one of its ports, for the caller to end. Throws `sandbox_unreachable` when the service has ended; one
   * that does not listen there closes the connection.
   */
  connect(execId: string, port: number): Promise<Socket>
}

/** Where a process outside puts a way out for one command: directories, each with a socket in it. */
export interface Doors {
  /** Directory of the host that holds them. */
  readonly dir: string
  /** The path at which a command finds the door that its start named. */
  inside(name: string): string
}

/** A piece of what a command printed, standard output and error together, as bytes: it may cut a character. */
export interface ExecChunk {
  /** Byte offset in everything the command printed. */
  readonly offset: number
  readonly data: Uint8Array
}

/** An answer to `poll`: the command's state, and what it printed beyond the cursor that was given. */
export interface ExecPoll {
  readonly state: ExecState
  readonly chunks: readonly ExecChunk[]
  /** Pass it to the next poll. */
  readonly cursor: number
}

/** A file's content, or the part of it that was asked for. */
export interface FileSlice {
  readonly data: Uint8Array
  readonly sizeBytes: number
  /** SHA-256 of the whole file in hex; absent when only a part was read. */
  readonly sha256?: string
}

/** What lies at a path, the link itself when it is one; `mode` holds the permission bits alone. */
export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other'
  readonly sizeBytes: number
  readonly mode: number
}

/** One line of a listing; `sizeBytes` is 0 for what is no regular file. */
export interface FileEntry {
  /** Relative to the workspace, `/` as separator. */
  readonly path: string
  readonly name: string
  readonly kind: 'file' | 'directory' | 'symlink' | 'other'
  readonly sizeBytes: number
}

/** What lies in a directory. `truncated`: there is more, and `unlisted` says where. */
export interface DirectoryListing {
  readonly entries: readonly FileEntry[]
  readonly truncated: boolean
  /**
   * Directories within the depth whose names are not all among `entries`, in order of paths; `names` is how many are missing,
   * null when nobody counted them: it cannot be read, or has more names than are looked at.
   */
  readonly unlisted: readonly { readonly path: string; readonly names: number | null }[]
}

/** A file to be replaced whole. Without `mode` the former file's mode is kept, a new one gets 0644. */
export interface FileWrite {
  readonly path: string
  readonly data: Uint8Array | string
  readonly mode?: number
}

/**
 * One thing on its way into a workspace or out of it. `path` is its name in bytes, relative to the workspace, with `/`
 * between the parts: not every name is UTF-8. A link's target is kept as it is, whatever it points to.
 */
export type WorkspaceEntry =
  | { readonly kind: 'directory'; readonly path: Uint8Array; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: Uint8Array; readonly target: Uint8Array }
  | {
      readonly kind: 'file'
      readonly path: Uint8Array
      readonly mode: number
      readonly sizeBytes: number
      /** Milliseconds since the epoch. */
      readonly mtimeMs?: number
      /** Its bytes, some at a time; read once, before the next entry is asked for. */
      readonly data: AsyncIterable<Uint8Array>
    }

/** How `replaceFiles` is watched and stopped, and what it leaves where it is. */
export interface ReplaceOptions {
  /** Names at the workspace's top that stay when the new files bring none of their own, e.g. `.git`. */
  readonly keep?: readonly string[]
  /**
   * The same entries once more, read before anything is written and without their bytes: what is refused by names, number or
   * sizes costs no work on the disk then.
   */
  readonly first?: AsyncIterable<WorkspaceEntry>
  /** Asked before each entry; what it throws ends the work, and the workspace stays as it was. */
  check?(): void
  /** Asked once all is there, just before the new files take the old ones' place; what it throws leaves the old ones. */
  ready?(): Promise<void>
  /** Called after each entry with what was taken over so far. Must not throw. */
  onProgress?(done: WorkspaceSize): void
}

/** Regular files and the bytes of their content, as far as they were counted. */
export interface WorkspaceSize {
  readonly files: number
  readonly sizeBytes: number
}

/** What became of a path between two checkpoints; a rename is a `delete` and a `create`. */
export type FileChangeKind = 'create' | 'modify' | 'delete'

/** One path that differs between two checkpoints, with its lines; of a binary file none are counted. */
export interface FileChange {
  readonly path: string
  readonly kind: FileChangeKind
  readonly added: number
  readonly removed: number
  readonly binary: boolean
}

/** A file of a checkpoint with its content; a link's is its target, a directory's is empty. */
export interface TreeFile {
  /** As text; a name that is not UTF-8 is written as tree-file-path.ts says. */
  readonly path: string
  /** As it stands in the tree (entry-mode.ts): `100644`, `100755`, `120000`, or with other permissions, or a directory. */
  readonly mode: string
  readonly data: Uint8Array
  /** The content of a file that is too large to be held whole, in the place of `data`; to be read once, or not at all. */
  readonly large?: { readonly sizeBytes: number; readonly pieces: AsyncIterable<Uint8Array> }
}

/** Checkpoints as they are stored, for another sandbox of the same kind, which takes one over. */
export type StoredTrees = LooseTrees | PackedTrees

/** Object by object, on this host. All throw `sandbox_bad_request` for what is not there. */
export interface LooseTrees {
  readonly kind: 'loose'
  readTree(hash: string): Promise<readonly { readonly mode: string; readonly name: string; readonly hash: string }[]>
  readBlob(hash: string): Promise<Uint8Array>
  /** The path of a large file's content on this host; null when it is not kept. */
  largeFile(content: { readonly sha256: string; readonly sizeBytes: number }): Promise<string | null>
}

/** As git packs them, where they lie on another machine. */
export interface PackedTrees {
  readonly kind: 'packed'
  /**
   * The objects of `tree` that `base` does not reach, all of them when `base` is `-` or not there; up to 64 MiB. Throws
   * `sandbox_bad_request` for a tree that is not there or too large, `sandbox_*`.
   */
  pack(tree: string, base: string): Promise<Uint8Array>
}

/** A file or link as git keeps it. */
export interface GitFile {
  readonly mode: '100644' | '100755' | '120000'
  /** Its content, a link's target. Throws `sandbox_bad_request` naming a file that is too large to be kept whole. */
  read(): Promise<Uint8Array>
}

/** One path that is not the same in two checkpoints, as far as git keeps it. */
export interface GitChange {
  /** In bytes, relative to the workspace. */
  readonly path: Uint8Array
  readonly from: GitFile | null
  readonly to: GitFile | null
}

/** What lies between two checkpoints for git: no directories, no permissions but the execute bit, nothing of `.git`. */
export interface GitChanges {
  /** In order of paths. */
  readonly changes: readonly GitChange[]
  /** The `.gitignore` files of the later checkpoint that speak of these paths. */
  readonly ignoreFiles: readonly { readonly path: Uint8Array; readonly data: Uint8Array }[]
}

/** Which checkpoints stay. */
export interface PruneAsk {
  readonly keep: readonly string[]
  /** Kept in this order as long as all that is kept comes to at most `maxBytes` on disk. */
  readonly newestFirst: readonly string[]
  readonly maxBytes: number
  /** Trees that were the workspace's since then stay as well, in milliseconds since the epoch. */
  readonly sinceMs: number
}

/** Unchanged lines around each change of a diff, when nothing else is asked for. */
export const CONTEXT_LINES = 3

/** The text of what differs between two checkpoints. */
export interface TreeDiff {
  /** Unified diff, cut at `maxBytes` on a line's end. */
  readonly patch: string
  readonly truncated: boolean
}

/**
 * One project's files and processes. Paths are relative to the workspace; anything that leaves it (`..`, absolute,
 * a symlink to the outside, a device) throws `sandbox_bad_request` with a sentence the model can act on.
 */
export interface Sandbox {
  readonly ref: SandboxRef
  /** The workspace's path as commands see it, e.g. `/workspace`. */
  readonly root: string
  /** Absent where commands cannot be given a door. */
  readonly doors?: Doors
  /** Absent where services cannot be run. */
  readonly services?: ServiceDoors
  /** Absent where none can be kept. */
  readonly kept?: KeptInstallations
  /** What the workspace may hold, in bytes in all and a file; absent where nobody but the provider says. */
  readonly limits?: { readonly workspaceBytes: number; readonly fileBytes: number }

  /**
   * This sandbox as one attempt at a task uses it: from now on starts, input, kills, writes, removals and restores of
   * attempts with a lower number are refused with `lease_lost`, however long they slept, and so are those of this one once a
   * higher number came. Numbers begin at 1. What is done without a number is never refused. Throws `lease_lost`. Safe to
   * repeat.
   */
  fenced(lease: number): Promise<Sandbox>

  /**
   * Idempotent on `execId`: a second start attaches to the first and returns its state. Waits up to a minute for what the
   * command's network needs to be known; throws the signal's reason when it aborts meanwhile, and nothing was started then.
   */
  start(spec: ExecSpec, signal?: AbortSignal): Promise<ExecState>
  /** Waits up to `waitMs` for output beyond `cursor` or for the end, then returns what there is (at most `maxBytes`). */
  poll(
    execId: string,
    options: { cursor: number; maxBytes: number; waitMs: number; signal?: AbortSignal },
  ): Promise<ExecPoll>
  /** The first `headBytes` and the last `tailBytes` of a command's output, with what lies between counted. */
  output(
    execId: string,
    options: { headBytes: number; tailBytes: number },
  ): Promise<{ head: Uint8Array; tail: Uint8Array; omittedBytes: number }>
  /** Writes to a command that was started with `stdin: 'open'`, or closes its input. Not idempotent. */
  input(execId: string, data: Uint8Array | 'eof'): Promise<void>
  /** Ends the whole process tree, `setsid nohup` children included. Safe to repeat; an ended exec keeps its state. */
  kill(execId: string): Promise<ExecState>
  /** Ends every running exec of a task (of the whole project when left out) and returns those it ended. */
  killAll(taskId?: string): Promise<ExecState[]>
  execs(taskId?: string): Promise<ExecState[]>

  read(path: string, options?: { offset?: number; length?: number; maxBytes?: number }): Promise<FileSlice>
  /** Writes each file through a temporary one and a rename; makes parent directories. Safe to repeat. */
  write(files: readonly FileWrite[]): Promise<void>
  /**
   * Puts these files in the place of all that is in the workspace, in one step at the end: links, modes, empty directories
   * and byte names as they are; holds no more than a piece of one file in memory. Throws `sandbox_bad_request` naming the
   * limit (a file, the workspace, the number of entries, depth) or what is wrong with a name; the workspace is as before
   * then. Safe to repeat. Where it is missing, `write` is all there is.
   */
  replaceFiles?(entries: AsyncIterable<WorkspaceEntry>, options?: ReplaceOptions): Promise<WorkspaceSize>
  /** All that is in the workspace now, each directory before what lies in it. Devices, sockets and pipes are left out. */
  entries?(): AsyncIterable<WorkspaceEntry>
  /** The same without `.git`, what an install brings again and the server's own files: what a person would pack up. */
  packedEntries?(): Promise<AsyncIterable<WorkspaceEntry>>
  stat(path: string): Promise<FileStat | null>
  /**
   * What lies in a directory and, down to `depth` levels, below it: at most `limit` entries, in order of names, each directory
   * before what is in it. Links are named, not followed. A directory of many names pushes no other one out; `unlisted` says
   * where names are missing. Throws `sandbox_bad_request` when there is no such directory.
   */
  list(path: string, options: { depth: number; limit: number }): Promise<DirectoryListing>
  /** The names in one directory as `list` shows them, but without a look at each; none when there are more than `limit`. */
  names(path: string, options: { limit: number }): Promise<{ names: readonly string[]; truncated: boolean }>
  remove(path: string): Promise<void>

  /** Stores the workspace's files as a git tree outside the workspace and returns its hash. Same files, same hash. */
  checkpoint(): Promise<string>
  /** Files that differ, in order of paths; when none does, empty directories that do, with a slash at the end. */
  changes(from: string, to: string): Promise<FileChange[]>
  /** `contextLines`: unchanged lines around each change, 3 when nothing is said. */
  diff(
    from: string,
    to: string,
    options: { maxBytes: number; paths?: readonly string[]; contextLines?: number },
  ): Promise<TreeDiff>
  /**
   * Makes the workspace's files equal to a checkpoint, or only the given paths; with `before` only what differs between
   * that checkpoint and `tree`. What checkpoints leave out stays. Safe to repeat.
   */
  restore(tree: string, paths?: readonly string[], before?: string): Promise<void>
  /**
   * Notes, under a key, how the places that checkpoints leave out are now; what is noted already stays. Which places these are
   * may be known from the last checkpoint: one is taken first where a command may have made more. Safe to repeat.
   */
  markLeftOut(key: string): Promise<void>
  /** In which of these places something changed since; empty when nothing was noted under the key. */
  leftOutSince(key: string): Promise<readonly LeftOut[]>
  /**
   * A checkpoint's files and links, and the directories that are empty or have other permissions than usual, one after the
   * other; what is in the workspace now does not matter. A fork needs it.
   */
  treeFiles?(tree: string): AsyncIterable<TreeFile>
  readonly storedTrees: StoredTrees
  /**
   * Takes a checkpoint of another sandbox over: from then on it can be compared with and restored to here. What lies in
   * `.git` is that of `base`, a checkpoint of this one, since a fork has none of its own. Returns the tree's hash. Nothing
   * happens in the workspace. Throws `sandbox_bad_request` for a tree that is not there or too large, or one of a sandbox of
   * another kind, `sandbox_busy` when the disk is almost full, and what reaching the sandbox throws. Safe to repeat.
   */
  adoptTree(from: StoredTrees, tree: string, base: string): Promise<string>
  /** What git would see between two checkpoints. Throws `sandbox_bad_request` when more than `maxFiles` differ. */
  gitChanges?(from: string, to: string, maxFiles: number): Promise<GitChanges>

  /**
   * Says what the sandbox's commands may reach from now on; until it was said, nothing. Where a gateway decides, it holds at
   * once, also for commands that run. Safe to repeat. Throws `sandbox_unreachable`.
   */
  network(network: Network): Promise<void>
  /** Variables that commands with a network find set, from the next start on; the product's own win. Held by this object alone. */
  setVariables(variables: Readonly<Record<string, string>>): void
  /** What commands asked for and were refused from `since` (milliseconds since the epoch) on; empty where nobody can tell. */
  denials(since: number): Promise<readonly NetworkDenial[]>

  /**
   * Gives up checkpoints: keeps what `ask` says and removes what no kept one needs. Returns those of `newestFirst` that are
   * gone. Nobody may work in the sandbox. Safe to repeat. Providers that keep their checkpoints elsewhere have none.
   */
  pruneCheckpoints?(ask: PruneAsk): Promise<readonly string[]>

  /** Tells the provider that the sandbox is in use. */
  keepAlive(): Promise<void>
  pause(): Promise<void>
  /** Bytes and files of the workspace, for limits and people. */
  usage(): Promise<{ sizeBytes: number; files: number }>
}
