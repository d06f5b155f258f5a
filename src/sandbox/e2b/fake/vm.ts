/**
 * TEST STAND-IN, not a sandbox for untrusted code: one "VM" of the fake E2B is a directory and real processes of this host
 * inside one bubblewrap namespace (no network, host's /usr read-only). A real E2B sandbox is a Firecracker VM; this one
 * shares the host's kernel and has no limits on memory or processes.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { lookAtHost } from '../../local-bwrap/host-view.ts'

/** The home directory as commands in a VM see it. */
export const VM_HOME = '/home/user'
const RUN_DIR = '/run/envd'
/** How long after its end a process's exit code can still be asked for, as in envd. */
const EXIT_KEPT_MS = 30_000
/** A process that ended is reported when its output is at its end, or this much later when a child still holds it open. */
const DRAIN_MS = 300
const FIFO_BATCH = 16

/** What a process in a VM says while it runs, and its end. */
export type ProcessEvent =
  | { readonly kind: 'data'; readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }
  | { readonly kind: 'end'; readonly exitCode: number }

/** A process in a VM, as envd lets its callers see it. */
export interface VmProcess {
  readonly pid: number
  readonly command: string
  exitCode: number | null
  /** From now on; what was printed before is not repeated and what nobody listens to is dropped, as in envd. */
  listen(listener: (event: ProcessEvent) => void): () => void
}

/** One VM of the stand-in: a directory on this host, in which bwrap runs commands. */
export interface Vm {
  /** Home directory on the host. */
  readonly home: string
  readonly staging: string
  readonly isAlive: () => boolean
  start(command: readonly string[], env: Readonly<Record<string, string>>): Promise<VmProcess>
  find(pid: number): VmProcess | null
  processes(): readonly VmProcess[]
  /** Reaches exactly this process: neither its group nor its children. */
  signal(pid: number, signal: 'KILL' | 'TERM'): void
  pause(): void
  resume(): void
  /** Ends every process and removes the directory. */
  destroy(): Promise<void>
}

/** Process 2 of the namespace: starts and signals what it is told to by line. */
const INIT = `while read -r verb id out err; do
  case $verb in
    run) { bash "/run/envd/$id.sh" </dev/null >"/run/envd/$out" 2>"/run/envd/$err" & p=$!; echo "start $id $p"; wait $p; echo "end $id $?"; } & ;;
    kill) kill -"$out" "$id" 2>/dev/null ;;
    stop) kill -STOP -1 2>/dev/null ;;
    cont) kill -CONT -1 2>/dev/null ;;
  esac
done`

/** Starts a VM in an own directory. Throws when bubblewrap is missing. */
export function startVm(dir: string, bwrapPath: string, nodePath: string): Vm {
  // One file system inside, as in a VM: home and workspace can be renamed into each other.
  const home = path.join(dir, 'root', VM_HOME)
  const runDir = path.join(dir, 'root', RUN_DIR)
  const staging = path.join(dir, 'root', 'staging')
  const inside = ['workspace', 'tmp', 'var', 'etc'].map((name) => path.join(dir, 'root', name))
  for (const each of [home, runDir, staging, ...inside]) mkdirSync(each, { recursive: true, mode: 0o755 })
  writeFileSync(
    path.join(dir, 'passwd'),
    'root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000:user:/home/user:/bin/bash\n',
  )
  const host = lookAtHost(nodePath)
  // Node's pipe is a socket, and bash -c reads ~/.bashrc when its standard input is one: the VM's own files have no say here.
  const child = spawn(bwrapPath, [...vmArgv(dir, host), 'bash', '--norc', '-c', INIT], {
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  return attach({ child, dir, home, staging, runDir, hostPath: host.path })
}

function vmArgv(dir: string, host: ReturnType<typeof lookAtHost>): string[] {
  const args =
    '--unshare-all --die-with-parent --new-session --cap-drop ALL --uid 1000 --gid 1000 --hostname e2b'.split(' ')
  args.push('--bind', `${dir}/root`, '/')
  for (const mount of host.mounts) {
    args.push(mount.kind === 'bind' ? '--ro-bind' : '--symlink', mount.source, mount.target)
  }
  args.push('--ro-bind', `${dir}/passwd`, '/etc/passwd', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/dev/shm')
  return [...args, '--chdir', VM_HOME, '--clearenv', '--setenv', 'PATH', host.path]
}

interface Parts {
  readonly child: ChildProcess
  readonly dir: string
  readonly home: string
  readonly staging: string
  readonly runDir: string
  readonly hostPath: string
}

interface Running extends VmProcess {
  readonly emit: (event: ProcessEvent) => void
}

interface Starting {
  begun(pid: number): void
  ended(exitCode: number): void
}

function attach({ child, dir, home, staging, runDir, hostPath }: Parts): Vm {
  const processes = new Map<number, Running>()
  const starting = new Map<string, Starting>()
  const fifos: string[] = []
  let made = 0
  let lastId = 0
  let alive = true
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.once('exit', () => {
    alive = false
    for (const each of starting.values()) each.ended(-1)
  })
  child.on('error', () => {
    alive = false
  })
  child.stdin?.on('error', () => undefined) // its exit says the same
  const say = (line: string) => void (alive && child.stdin?.write(`${line}\n`))
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [verb, id = '', value] = line.split(' ')
      if (verb === 'start') starting.get(id)?.begun(Number(value))
      if (verb === 'end') starting.get(id)?.ended(Number(value))
    })
  }

  const takeFifo = async (): Promise<string> => {
    if (fifos.length === 0) {
      const names = Array.from({ length: FIFO_BATCH }, () => `f${made++}`)
      await promisify(execFile)('mkfifo', names, { cwd: runDir, timeout: 10_000 })
      fifos.push(...names)
    }
    return fifos.shift() ?? (await takeFifo())
  }

  return {
    home,
    staging,
    isAlive: () => alive,
    async start(command, env) {
      const id = `p${++lastId}`
      const full = { PATH: hostPath, HOME: VM_HOME, USER: 'user', LOGNAME: 'user', ...env }
      const words = Object.entries(full).map(([name, value]) => `${name}=${value}`)
      const line = ['exec', 'env', '-i', ...words, ...command].map(quote).join(' ').replace("'exec'", 'exec')
      writeFileSync(path.join(runDir, `${id}.sh`), `cd ${VM_HOME}\n${line}\n`)
      const names = [await takeFifo(), await takeFifo()]
      const files = names.map((name) => path.join(runDir, name))
      const readers = files.map((file) => openSync(file, constants.O_RDONLY | constants.O_NONBLOCK))
      // Held until the process has ended, so that its own end of the pipe is never the first or the last by accident.
      const writers = files.map((file) => openSync(file, constants.O_WRONLY))
      const listeners = new Set<(event: ProcessEvent) => void>()
      const process: Running = {
        pid: 0,
        command: command.join(' '),
        exitCode: null,
        listen(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
        emit: (event) => {
          for (const listener of listeners) listener(event)
        },
      }
      // Not read before the caller has the process: what it prints first must find the listener of its own start.
      let open = (): void => undefined
      const opened = new Promise<void>((resolve) => {
        open = () => setImmediate(resolve)
      })
      const drained = readers.map((fd, index) =>
        opened.then(() => readAll(fd, index === 0 ? 'stdout' : 'stderr', process.emit)),
      )
      return await new Promise<VmProcess>((resolve, reject) => {
        starting.set(id, {
          begun(pid) {
            const running = Object.assign(process, { pid })
            processes.set(pid, running)
            resolve(running)
            open()
          },
          ended(exitCode) {
            starting.delete(id)
            open()
            for (const fd of writers) closeSync(fd)
            const late = new Promise((done) => setTimeout(done, DRAIN_MS))
            void Promise.race([Promise.all(drained), late]).then(() => {
              process.exitCode = exitCode
              process.emit({ kind: 'end', exitCode })
              const timer = setTimeout(() => processes.delete(process.pid), EXIT_KEPT_MS)
              timer.unref()
              for (const file of [...files, path.join(runDir, `${id}.sh`)]) void rm(file, { force: true })
            })
            if (process.pid === 0) reject(new Error('the VM ended'))
          },
        })
        if (alive) say(`run ${id} ${names[0]} ${names[1]}`)
        else starting.get(id)?.ended(-1)
      })
    },
    find: (pid) => processes.get(pid) ?? null,
    processes: () => [...processes.values()].filter((each) => each.exitCode === null),
    signal: (pid, signal) => say(`kill ${pid} ${signal}`),
    pause: () => say('stop'),
    resume: () => say('cont'),
    async destroy() {
      child.kill('SIGKILL')
      await gone
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Reads a pipe to its end; what nobody listens to is gone. */
function readAll(fd: number, stream: 'stdout' | 'stderr', emit: (event: ProcessEvent) => void): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false })
  return new Promise((resolve) => {
    socket.on('data', (data: Buffer) => emit({ kind: 'data', stream, data }))
    socket.on('error', () => resolve())
    socket.on('close', () => resolve())
  })
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
