/**
 * One running command inside the runner. Invariants:
 * 1. `exit.json` is written after the last process of its namespace is gone and the last byte of output is on disk.
 * 2. The reason that ends a command first is the one that is recorded.
 * 3. Nothing here outlives the runner: bwrap dies with its parent, and the namespace with bwrap.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecState, ExecStatus } from '../types.ts'
import type { CommandCgroup } from './cgroup.ts'
import type { Fifo } from './fifo-pool.ts'
import { identify, isAlive, type ProcessIdentity } from './identity.ts'
import { type EndedState, type JobRecord, writeExit, writePid } from './job-files.ts'
import { type Limits, overMemory, overProcesses } from './limits.ts'
import { whyNoSandbox } from './no-sandbox.ts'
import { OutputLog } from './output-log.ts'

/** How the command is started: the program, its arguments, and what descriptors STATUS_FD to SECCOMP_FD carry. */
export interface Launch {
  readonly program: string
  readonly argv: readonly string[]
  /** Written to a file and passed as ARGS_FD; null when the command runs without bwrap. */
  readonly args: string | null
  /** Path of the seccomp program, passed as SECCOMP_FD. */
  readonly seccompFile: string | null
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** One command that is about to start; its job directory is there already, and `onEnd` is called once. */
export interface CommandOptions {
  readonly dir: string
  readonly record: JobRecord
  readonly launch: Launch
  readonly fifo: Fifo
  readonly stdin: 'none' | 'file' | 'open'
  /** What the kernel keeps its memory and processes by; null where there is none. */
  readonly cgroup: CommandCgroup | null
  readonly limits: Limits
  readonly onEnd: (command: RunningCommand) => void
  /** The listening socket by which a service is reached; the caller closes it. null: it is none. */
  readonly doorFd: number | null
  /** What is to be said at the end of the output, e.g. which hosts were refused. */
  readonly lastWords: () => string
}

const TAIL_FLUSH_MS = 200
/** Beyond the head, output is only counted; a flood is slowed to about 64 MiB a second so that it cannot eat a core. */
const FLOOD_WINDOW_MS = 50
const FLOOD_WINDOW_BYTES = 3.2 * 1024 * 1024
/** bwrap names the namespace's first process within a few milliseconds; a kill waits at most this long for it. */
const FIRST_PID_WAIT_MS = 1_000
/** The longest wait for a killed namespace to be gone, and for the output of a finished one. */
const GONE_WAIT_MS = 5_000

const MAX_STATUS_CHARS = 4_096
const MAX_SAID_CHARS = 1_000

const PERSIST_TRIES = 120
const PERSIST_PAUSE_MS = 500

/** Why a command was ended from outside, and the sentence about it, null when the status says it all. */
export type EndCause = {
  readonly status: Exclude<ExecStatus, 'running' | 'exited' | 'lost'>
  readonly reason: string | null
}

/**
 * A command from its start, in the constructor, to its recorded end. What cannot be started ends with exit code 127.
 */
export class RunningCommand {
  readonly record: JobRecord
  readonly dir: string
  state: ExecState
  /** First process of the namespace in the host's numbering; 0 until bwrap has told it. */
  firstPid = 0
  /** Settles with the recorded end. */
  readonly ended: Promise<EndedState>
  private readonly log: OutputLog
  private readonly child: ChildProcess
  private readonly output: Socket
  private readonly waiters = new Set<() => void>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly isContained: boolean
  private readonly lastWords: () => string
  private readonly cgroup: CommandCgroup | null
  private readonly limits: Limits
  private first: ProcessIdentity | null = null
  private cause: EndCause | null = null
  private idleTimer: NodeJS.Timeout | null = null
  private windowBytes = 0
  /** What bubblewrap told, and the first words of the output: they say why there was no sandbox. */
  private status = ''
  private said = ''

  constructor(options: CommandOptions) {
    this.record = options.record
    this.dir = options.dir
    this.isContained = options.launch.args !== null
    this.log = new OutputLog(options.dir)
    this.lastWords = options.lastWords
    this.cgroup = options.cgroup
    this.limits = options.limits
    this.state = {
      execId: this.record.execId,
      status: 'running',
      exitCode: null,
      signal: null,
      startedAt: this.record.startedAt,
      endedAt: null,
      bytes: 0,
      droppedBytes: 0,
    }
    this.child = spawnWithFds(options)
    this.output = new Socket({ fd: options.fifo.readFd, readable: true, writable: false })
    const exited = this.watchExit()
    const drained = new Promise<void>((resolve) => {
      this.output.on('close', () => resolve())
      this.output.on('error', () => resolve())
    })
    this.output.on('data', (chunk: Buffer) => this.onOutput(chunk))
    this.startTimers()
    this.ended = this.finish(exited, drained).finally(() => options.onEnd(this))
  }

  private watchExit(): Promise<{ code: number | null; signal: string | null; error: Error | null }> {
    const { child } = this
    if (child.pid !== undefined) {
      const identity = identify(child.pid)
      // Only a worker without a runner reads it; a full disk must not lose track of a command that already runs.
      if (identity !== null) attempt(() => writePid(this.dir, identity))
    }
    child.stdin?.on('error', () => undefined) // the command closed its input; its own exit tells the rest
    const status = child.stdio[3]
    if (status instanceof Socket) {
      status.on('error', () => undefined) // as above
      status.on('data', (chunk: Buffer) => {
        if (this.status.length < MAX_STATUS_CHARS) this.status += chunk.toString('latin1')
        const pid = /"child-pid": (\d+)/.exec(this.status)?.[1]
        if (pid !== undefined && this.firstPid === 0) {
          this.firstPid = Number(pid)
          this.first = identify(this.firstPid)
          if (this.cause !== null) this.killTree()
        }
      })
    }
    return new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: null, error }))
      child.once('close', (code, signal) => resolve({ code, signal, error: null }))
    })
  }

  private onOutput(chunk: Buffer): void {
    if (this.said.length < MAX_SAID_CHARS) this.said += chunk.subarray(0, MAX_SAID_CHARS).toString('latin1')
    const failure = attempt(() => this.log.append(chunk))
    if (failure !== null)
      this.end({ status: 'killed', reason: `It was stopped because its output cannot be stored: ${failure}` })
    this.idleTimer?.refresh()
    if (this.log.isBeyondHead) {
      this.windowBytes += chunk.length
      if (this.windowBytes >= FLOOD_WINDOW_BYTES) {
        this.windowBytes = 0
        this.output.pause()
        const timer = setTimeout(() => {
          this.timers.delete(timer)
          this.output.resume()
        }, FLOOD_WINDOW_MS)
        this.timers.add(timer)
      }
    } else this.wake()
    this.updateCounts()
  }

  private updateCounts(): void {
    this.state = { ...this.state, bytes: this.log.bytes, droppedBytes: this.log.droppedBytes }
  }

  private startTimers(): void {
    const { timeoutMs, idleTimeoutMs } = this.record
    this.timers.add(setTimeout(() => this.end({ status: 'timed_out', reason: null }), timeoutMs))
    if (idleTimeoutMs > 0) {
      this.idleTimer = setTimeout(() => this.end({ status: 'idle_timed_out', reason: null }), idleTimeoutMs)
      this.timers.add(this.idleTimer)
    }
    this.timers.add(
      setInterval(() => {
        attempt(() => this.log.flushTail()) // the flush at the end decides
        if (this.log.isBeyondHead) this.wake()
      }, TAIL_FLUSH_MS),
    )
  }

  /** Whether a cgroup counts what it uses; then nobody else has to. */
  get isCounted(): boolean {
    return this.cgroup !== null
  }

  /** Ends it when the kernel had to keep it within its limits: what goes on after that is a torso. */
  checkCgroup(): void {
    const cause = this.cgroupCause()
    if (cause !== null) this.end(cause)
  }

  private cgroupCause(): EndCause | null {
    const events = this.cgroup?.events()
    if (events === undefined) return null
    if (events.oomKills > 0) return { status: 'oom', reason: overMemory(this.limits) }
    return events.refusedForks > 0 ? { status: 'killed', reason: overProcesses(this.limits) } : null
  }

  /** Ends the whole tree; the first cause is kept. */
  end(cause: EndCause): void {
    // Once it has ended by itself its pid may be anybody's.
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    if (this.cause !== null) return
    this.cause = cause
    // Killed before it has tied the namespace to itself, bwrap would leave it behind: that needs the first process's pid.
    if (!this.isContained || this.first !== null) this.killTree()
    else this.timers.add(setTimeout(() => this.killTree(), FIRST_PID_WAIT_MS))
  }

  private killTree(): void {
    if (this.first !== null && isAlive(this.first)) signalKill(this.first.pid)
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    if (!this.isContained) killGroup(this.child)
    if (this.child.pid !== undefined) signalKill(this.child.pid)
  }

  /** Writes to the command's standard input, or closes it. False when it was not started with an open one. */
  input(data: Buffer | null): boolean {
    const { stdin } = this.child
    if (stdin === null) return false
    if (data === null) stdin.end()
    else stdin.write(data)
    return true
  }

  /** Resolves when output beyond `cursor` can be read, when the command has ended, or when `signal` fires. */
  async wait(cursor: number, signal: AbortSignal): Promise<ExecState> {
    while (this.state.status === 'running' && this.log.readableBytes <= cursor && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.waiters.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        this.waiters.add(done)
        signal.addEventListener('abort', done)
      })
    }
    return this.state
  }

  private wake(): void {
    for (const waiter of this.waiters) waiter()
  }

  private async finish(
    exited: Promise<{ code: number | null; signal: string | null; error: Error | null }>,
    drained: Promise<void>,
  ): Promise<EndedState> {
    const { code, signal, error } = await exited
    if (!this.isContained) killGroup(this.child)
    await this.waitUntilGone()
    const tooLate = new AbortController()
    await Promise.race([drained, sleep(GONE_WAIT_MS, undefined, { signal: tooLate.signal }).catch(() => undefined)])
    tooLate.abort()
    this.output.destroy()
    for (const timer of this.timers) clearInterval(timer)
    // It may have ended between two looks of the watchdog.
    if (error === null) this.cause ??= this.cgroupCause()
    const outcome = this.outcome(code, signal, error)
    await this.cgroup?.remove()
    attempt(() => {
      const words = this.lastWords()
      if (words !== '') this.log.append(Buffer.from(words))
    }) // the command's end is what counts
    await persist(() => this.log.close())
    this.updateCounts()
    const ended = await persist(() => writeExit(this.dir, { ...this.state, ...outcome, endedAt: Date.now() }))
    this.state = ended
    this.wake()
    return ended
  }

  private outcome(code: number | null, signal: string | null, error: Error | null) {
    const { cause } = this
    if (cause !== null) {
      const reason = cause.reason === null ? {} : { reason: cause.reason }
      return { status: cause.status, exitCode: null, signal: 'SIGKILL', ...reason }
    }
    if (error !== null) {
      const reason = `It could not be started: ${error.message}`
      return { status: 'exited' as const, exitCode: 127, signal: null, reason }
    }
    // bwrap itself was killed from outside, by the kernel's memory killer or a person.
    if (signal !== null) return { status: 'killed' as const, exitCode: null, signal }
    const why = this.isContained && code !== null ? whyNoSandbox({ code, status: this.status, said: this.said }) : null
    if (why !== null) {
      return { status: 'killed' as const, exitCode: null, signal: null, reason: why, noSandbox: true as const }
    }
    return { status: 'exited' as const, exitCode: code, signal: null }
  }

  /** bwrap ends a moment before the kernel has cleared its namespace: an ended command must leave no process behind. */
  private async waitUntilGone(): Promise<void> {
    const { first } = this
    if (first === null) return
    if (this.cause !== null && isAlive(first)) signalKill(first.pid)
    const deadline = Date.now() + GONE_WAIT_MS
    for (let delayMs = 0; isAlive(first) && Date.now() < deadline; delayMs = Math.min(delayMs + 1, 20)) {
      if (delayMs === 0) await new Promise((resolve) => setImmediate(resolve))
      else await sleep(delayMs)
    }
  }
}

/** Runs a step that may fail on a full disk; returns the failure's message instead of throwing. */
function attempt(step: () => void): string | null {
  try {
    step()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * The end of a command must reach the disk: tried for a minute. After that the runner gives up as a whole, and what it ran
 * is honestly `lost`.
 */
async function persist<T>(write: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return write()
    } catch (error) {
      if (tries === PERSIST_TRIES) throw error
      await sleep(PERSIST_PAUSE_MS)
    }
  }
}

function spawnWithFds({ dir, launch, fifo, stdin, doorFd }: CommandOptions): ChildProcess {
  const fds: number[] = []
  const open = (file: string) => {
    const fd = openSync(file, 'r')
    fds.push(fd)
    return fd
  }
  try {
    const stdio: ('ignore' | 'pipe' | number)[] = [stdin === 'none' ? 'ignore' : 'pipe', fifo.writeFd, fifo.writeFd]
    if (stdin === 'file') stdio[0] = open(path.join(dir, 'stdin'))
    if (launch.args !== null && launch.seccompFile !== null) {
      const argsFile = path.join(dir, 'args')
      writeFileSync(argsFile, launch.args, { mode: 0o600 })
      stdio.push('pipe', open(argsFile), open(launch.seccompFile))
      if (doorFd !== null) stdio.push(doorFd)
    }
    return spawn(launch.program, launch.argv, {
      cwd: launch.cwd,
      env: launch.env,
      stdio,
      // Its own process group: without bwrap that is all there is to kill by.
      detached: launch.args === null,
    })
  } finally {
    closeSync(fifo.writeFd)
    for (const fd of fds) closeSync(fd)
  }
}

/** Without a namespace: the command's process group. What left it by `setsid` stays; that is the price of no sandbox. */
function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined) signalKill(-child.pid)
}

function signalKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ESRCH: it has ended by itself in between.
  }
}
