import { closeSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readDenied } from '../../egress/denied-log.ts'
import { gatewayPathsIn, sandboxNetPaths } from '../../egress/gateway-files.ts'
import { AppError } from '../../shared/errors.ts'
import { limitTime } from '../../shared/time-limit.ts'
import { MAVEN_DIR, NETWORK_ENV, projectEnv } from '../network-env.ts'
import type { ExecState } from '../types.ts'
import { ARGS_FD, bwrapArgv, commandEnv, type NetworkMounts, prlimitArgv, SANDBOX_HOME } from './argv.ts'
import type { Cgroups, CommandCgroup } from './cgroup.ts'
import { type Launch, RunningCommand } from './command.ts'
import { createCommandSlots } from './command-slots.ts'
import { filesLeaseLost, newestLease } from './fence.ts'
import { createFifoPool } from './fifo-pool.ts'
import { killByPid, runningByFiles, waitByFiles } from './foreign-command.ts'
import { identify, type ProcessIdentity } from './identity.ts'
import { createJob, type JobRecord, requireState, writeExit } from './job-files.ts'
import { launcherArgv } from './launcher.ts'
import {
  checkName,
  doorsDir,
  jobDir,
  keptDir,
  projectCacheDir,
  projectOf,
  type SandboxPaths,
  sandboxPaths,
  serviceSocket,
  servicesDir,
  WORKSPACE,
} from './layout.ts'
import { MAX_START_WAIT_MS, type StartMessage } from './protocol.ts'
import type { RunnerOptions } from './runner-args.ts'
import { fifosDir, livingRunners } from './runner-identity.ts'
import { readHardLimits, writeSharedFiles } from './runner-state.ts'
import { openServiceDoor, type ServiceDoor } from './service-door.ts'
import { canCountSegments } from './shared-segments.ts'
import { unlockWorkspace } from './unlock-workspace.ts'
import { watchCommands } from './watchdog.ts'

/** The commands of one runner, running and ended, by sandbox and exec id. */
export interface CommandTable {
  readonly size: number
  /** Throws `lease_lost` when a newer attempt than this has noted itself in the sandbox. */
  checkLease(sandbox: string, lease: number): void
  /**
   * Starts a command, or returns the state of the one with that id, whether it runs, has ended or is lost. `lease`: the
   * attempt that asks; one that was replaced while the command waited for its place is refused with `lease_lost`.
   */
  start(sandbox: string, spec: StartMessage, lease?: number): Promise<ExecState>
  wait(sandbox: string, execId: string, cursor: number, waitMs: number, signal: AbortSignal): Promise<ExecState>
  input(sandbox: string, execId: string, data: Buffer | null): ExecState
  kill(sandbox: string, execId: string): Promise<ExecState>
  /** Kills the running commands of a task, of a sandbox (`taskId` null) or all (`sandbox` null); returns what it ended. */
  killAll(sandbox: string | null, taskId: string | null): Promise<ExecState[]>
  /** How many bytes lie outside of this process's reach for a sandbox. Safe to repeat; the newest counts. */
  noteStore(sandbox: string, storeBytes: number): void
  close(): void
}

/** Where Debian and its kin, Fedora and its kin, and Alpine keep the certificates that most programs trust. */
const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']

/** Hosts that are named at the end of a command's output. */
const MAX_REFUSALS = 20

const START_SETTLES_MS = 5_000

const BWRAP_ENV = { PATH: '/usr/local/bin:/usr/bin:/bin' }

/** All commands that this runner is the parent of, by sandbox and execId. */
export function createCommandTable(
  options: RunnerOptions & { readonly identity: string; readonly cgroups: Cgroups | null },
): CommandTable {
  const { host } = options
  const isCounted = options.cgroups !== null
  const countsSegments = !isCounted && options.kind === 'local-bwrap' && canCountSegments()
  const shared = writeSharedFiles(options.dir, host, isCounted || countsSegments)
  const hardLimits = readHardLimits()
  const fifos = createFifoPool(fifosDir(options.dir, options.identity))
  const running = new Map<string, { sandbox: string; command: RunningCommand }>()
  let services = 0
  const starting = new Map<string, { sandbox: string; taskId: string; state: Promise<ExecState> }>()
  const slots = createCommandSlots(options.limits.maxCommands, MAX_START_WAIT_MS)
  const watch = watchCommands(() => [...running.values()], { ...options, countsSegments })
  const self: ProcessIdentity | null = identify(process.pid)
  if (self === null) throw new AppError('sandbox_unavailable', '/proc does not show the runner itself')

  const gateway = gatewayPathsIn(options.gatewayDir)
  /** The way out of a sandbox whose policy allows something. */
  const networkOf = (sandbox: string): NetworkMounts | null => {
    const { mount, socket } = sandboxNetPaths(gateway.dir, sandbox)
    if (!existsSync(socket)) return null
    const systemBundle = SYSTEM_BUNDLES.find((file) => existsSync(file)) ?? null
    return { socketDir: mount, bundle: gateway.bundle, trustStore: gateway.trustStore, systemBundle }
  }

  const makeCacheDir = (sandbox: string): string => {
    const dir = projectCacheDir(options.dir, sandbox)
    mkdirSync(path.join(dir, MAVEN_DIR), { recursive: true, mode: 0o700 })
    return dir
  }

  /** Only the commands of a project itself keep something for it. */
  const keptFor = (sandbox: string, { projectId, write }: NonNullable<StartMessage['kept']>) => {
    const dir = keptDir(options.dir, projectId)
    if (write && projectId !== projectOf(sandbox)) {
      throw new AppError('sandbox_bad_request', 'kept: what another project keeps can only be read')
    }
    if (write) mkdirSync(dir, { recursive: true, mode: 0o700 })
    return { dir, isWritable: write }
  }

  const launchFor = (
    sandbox: string,
    paths: SandboxPaths,
    spec: StartMessage,
    cgroup: CommandCgroup | null,
  ): Launch => {
    const place = { cgroupFiles: cgroup?.procsFiles ?? [] }
    if (options.kind === 'unsafe-host') {
      // Without a namespace of its own the kernel would count all processes of the user.
      const limits = { ...options.limits, maxProcesses: hardLimits.processes }
      const cwd = spec.cwd === '' ? paths.workspace : `${paths.workspace}/${spec.cwd}`
      const nodeDir = path.dirname(options.nodePath)
      const env = { ...commandEnv(host, spec.env), HOME: '/tmp', PATH: `${nodeDir}:${host.path}` }
      const [program = '', ...argv] = launcherArgv([...prlimitArgv(limits, hardLimits), ...spec.argv], place)
      return { program, argv, args: null, seccompFile: null, cwd, env }
    }
    if (options.bwrapPath === null) throw new AppError('sandbox_unavailable', 'bubblewrap is not installed')
    const { workspace } = paths
    const network = spec.network ? networkOf(sandbox) : null
    const env = {
      ...(spec.network ? projectEnv(SANDBOX_HOME, WORKSPACE, host.path) : {}),
      ...(network === null ? {} : { ...NETWORK_ENV, ...readToolEnv(gateway.toolEnv) }),
      ...spec.env,
    }
    const mounts = {
      ...(spec.network || spec.kept ? { cacheDir: makeCacheDir(sandbox) } : {}),
      ...(spec.kept === undefined ? {} : { kept: keptFor(sandbox, spec.kept) }),
      ...(network === null ? {} : { network }),
    }
    const { argv, cwd, reach } = spec
    const { args, command } = bwrapArgv({
      ...options,
      ...shared,
      argv,
      cwd,
      env,
      workspace,
      doorDir: spec.door === undefined ? undefined : path.join(doorsDir(options.dir), checkName('door', spec.door)),
      host,
      hardLimits,
      isService: spec.service ?? false,
      ...(reach === undefined || reach.length === 0
        ? {}
        : { reach: { dir: servicesDir(options.dir, sandbox), ports: reach } }),
      ...mounts,
    })
    const bwrap = [options.bwrapPath, '--args', String(ARGS_FD), '--', ...command]
    const [program = '', ...rest] = launcherArgv(bwrap, place)
    return {
      program,
      argv: rest,
      args: `${args.join('\0')}\0`,
      seccompFile: shared.seccompFile,
      cwd: '/',
      env: BWRAP_ENV,
    }
  }

  const checkLease = (sandbox: string, lease: number): void => {
    if (newestLease(sandboxPaths(options.dir, sandbox)) > lease) throw filesLeaseLost()
  }

  /** A service keeps its place for hours: it takes one of those that no command waits for, or none. */
  const takePlace = async (sandbox: string, spec: StartMessage): Promise<() => void> => {
    if (!spec.service) return await slots.take({ group: sandbox, key: slotKey(sandbox, spec.taskId) })
    const { maxServices } = options.limits
    if (options.kind === 'unsafe-host') throw new AppError('sandbox_bad_request', 'services need a sandbox')
    if (services >= maxServices) {
      throw new AppError('sandbox_busy', `This host runs at most ${maxServices} services at a time; stop one first.`, {
        retryAfterMs: 5_000,
      })
    }
    services++
    let isOurs = true
    return () => {
      if (isOurs) services--
      isOurs = false
    }
  }

  const startFresh = async (sandbox: string, spec: StartMessage, lease?: number): Promise<ExecState> => {
    const paths = sandboxPaths(options.dir, sandbox)
    const dir = jobDir(paths, spec.execId)
    if (existsSync(dir)) return requireState(dir, spec.execId)
    const release = await takePlace(sandbox, spec)
    let isStarted = false
    try {
      if (!existsSync(paths.marker)) throw new AppError('sandbox_gone', 'this sandbox does not exist any more')
      const state = await startNow(sandbox, spec, release, lease)
      isStarted = find(sandbox, spec.execId) !== undefined
      return state
    } finally {
      if (!isStarted) release()
    }
  }

  const startNow = async (
    sandbox: string,
    spec: StartMessage,
    release: () => void,
    lease?: number,
  ): Promise<ExecState> => {
    const paths = sandboxPaths(options.dir, sandbox)
    const dir = jobDir(paths, spec.execId)
    const fifo = await fifos.take()
    const { execId, taskId, argv, cwd, timeoutMs, idleTimeoutMs } = spec
    const startedAt = Date.now()
    const record: JobRecord = { execId, taskId, argv, cwd, timeoutMs, idleTimeoutMs, startedAt, runner: self }
    const stdin = spec.stdin === null ? null : Buffer.from(spec.stdin, 'base64')
    const closeFifo = () => {
      closeSync(fifo.readFd)
      closeSync(fifo.writeFd)
    }
    let isNew = false
    try {
      // Nothing waits between this look and the command: who was replaced meanwhile starts nothing any more.
      if (lease !== undefined) checkLease(sandbox, lease)
      isNew = createJob(dir, record, stdin)
    } finally {
      if (!isNew) closeFifo()
    }
    if (!isNew) return requireState(dir, execId)
    const key = `${sandbox}/${execId}`
    const stdinKind = spec.stdinOpen ? 'open' : stdin === null ? 'none' : 'file'
    let door: ServiceDoor | null = null
    const onEnd = () => {
      unlockWorkspace(paths.workspace)
      running.delete(key)
      door?.remove()
      release()
    }
    let cgroup: CommandCgroup | null = null
    try {
      unlockWorkspace(paths.workspace)
      cgroup = options.cgroups?.make(options.limits) ?? null
      door = spec.service ? openServiceDoor(servicesDir(options.dir, sandbox), serviceSocket(execId)) : null
      const command = new RunningCommand({
        dir,
        record,
        launch: launchFor(sandbox, paths, spec, cgroup),
        cgroup,
        limits: options.limits,
        fifo,
        stdin: stdinKind,
        doorFd: door?.fd ?? null,
        onEnd,
        lastWords: () => refusals(sandbox, startedAt),
      })
      door?.handOver()
      running.set(key, { sandbox, command })
      return command.state
    } catch (error) {
      door?.handOver()
      door?.remove()
      // E.g. more arguments than the kernel takes: known not to have run, and never to be tried again under this id.
      closeFifo()
      await cgroup?.remove()
      return writeExit(dir, { ...notStarted(record, error), endedAt: Date.now() })
    }
  }

  /** A line for each host that was refused since then: most tools say nothing of the reason. */
  const refusals = (sandbox: string, since: number): string => {
    const denied = readDenied(sandboxNetPaths(gateway.dir, sandbox).denied, since)
    const lines = new Set(denied.map(({ reason }) => `keelson: network: ${reason}\n`))
    return [...lines].slice(0, MAX_REFUSALS).join('')
  }

  const find = (sandbox: string, execId: string) => running.get(`${sandbox}/${execId}`)?.command
  const dirOf = (sandbox: string, execId: string) => jobDir(sandboxPaths(options.dir, sandbox), execId)
  const fromFiles = (sandbox: string, execId: string) => requireState(dirOf(sandbox, execId), execId)
  /** Ends what runners of other settings run of this; looked for only while there is such a runner. */
  const killForeign = async (sandbox: string, taskId: string | null): Promise<ExecState[]> => {
    if (livingRunners(options.dir).every((runner) => runner.process.pid === self.pid)) return []
    const paths = sandboxPaths(options.dir, sandbox)
    const left = runningByFiles(paths, taskId).filter((execId) => find(sandbox, execId) === undefined)
    return await Promise.all(left.map((execId) => killByPid(jobDir(paths, execId), execId)))
  }

  return {
    get size() {
      return running.size + starting.size
    },
    checkLease,
    async start(sandbox, spec, lease) {
      const key = `${sandbox}/${spec.execId}`
      const known = running.get(key)
      if (known !== undefined) return known.command.state
      const pending = starting.get(key)
      if (pending !== undefined) return await pending.state
      const state = startFresh(sandbox, spec, lease).finally(() => starting.delete(key))
      starting.set(key, { sandbox, taskId: spec.taskId, state })
      return await state
    },
    async wait(sandbox, execId, cursor, waitMs, signal) {
      const command = find(sandbox, execId)
      const limit = limitTime(waitMs, signal)
      try {
        if (command === undefined) return await waitByFiles(dirOf(sandbox, execId), execId, cursor, limit.signal)
        return await command.wait(cursor, limit.signal)
      } finally {
        limit.release()
      }
    },
    input(sandbox, execId, data) {
      const command = find(sandbox, execId)
      if (command === undefined) return fromFiles(sandbox, execId)
      if (!command.input(data)) {
        throw new AppError('sandbox_bad_request', `the command ${execId} was not started with an open input`)
      }
      return command.state
    },
    async kill(sandbox, execId) {
      const command = find(sandbox, execId)
      if (command === undefined) return await killByPid(dirOf(sandbox, execId), execId)
      command.end({ status: 'killed', reason: null })
      return await command.ended
    },
    async killAll(sandbox, taskId) {
      const isMeant = (of: { readonly sandbox: string; readonly taskId: string }) =>
        (sandbox === null || of.sandbox === sandbox) && (taskId === null || of.taskId === taskId)
      // What waits for its turn never begins; a start on its way counts as started: nothing may appear after the kill.
      const pending = [...starting.values()].filter(isMeant)
      slots.cancel((key) => pending.some((start) => key === slotKey(start.sandbox, start.taskId)))
      await Promise.race([Promise.allSettled(pending.map((start) => start.state)), sleep(START_SETTLES_MS)])
      const chosen = [...running.values()].filter(({ sandbox: of, command }) =>
        isMeant({ sandbox: of, taskId: command.record.taskId }),
      )
      for (const { command } of chosen) command.end({ status: 'killed', reason: null })
      const ended = await Promise.all(chosen.map(({ command }) => command.ended))
      return sandbox === null ? ended : [...ended, ...(await killForeign(sandbox, taskId))]
    },
    noteStore: watch.noteStore,
    close() {
      watch.stop()
      fifos.close()
      options.cgroups?.close()
    },
  }
}

function readToolEnv(file: string): Record<string, string> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {}
}

function slotKey(sandbox: string, taskId: string): string {
  return `${sandbox} ${taskId}`
}

function notStarted(record: JobRecord, error: unknown): ExecState {
  return {
    execId: record.execId,
    status: 'exited',
    exitCode: 127,
    signal: null,
    startedAt: record.startedAt,
    endedAt: null,
    bytes: 0,
    droppedBytes: 0,
    reason: `It could not be started: ${error instanceof Error ? error.message : String(error)}`,
  }
}
