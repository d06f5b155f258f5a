import { AppError } from '../../shared/errors.ts'
import { OWN_FILES } from '../../shared/places.ts'
import { BRIDGE_SCRIPT, CACHE_DIR, CERTIFICATES, MAVEN_DIR, PNPM_SETTINGS, TRUST_STORE } from '../network-env.ts'
import type { HostView } from './host-view.ts'
import { DOOR, KEPT, SERVICES, WORKSPACE } from './layout.ts'
import type { Limits } from './limits.ts'
import { reachingCommand, serviceCommand } from './service-scripts.ts'

/** The number that a command has inside, whoever it is outside. */
export const SANDBOX_UID = 1000
/** HOME of a command: a directory of its own in memory, gone with it. */
export const SANDBOX_HOME = '/home/agent'

/** File descriptors that the runner hands to bwrap. */
export const STATUS_FD = 3
/** Carries bubblewrap's arguments, each ended by NUL: on a command line every user of the host could read them. */
export const ARGS_FD = 4
/** Carries the filter of system calls, see seccomp.ts. */
export const SECCOMP_FD = 5
/** Carries the listening socket of a service. */
export const DOOR_FD = 6

/** Hard limits of the runner's own process, which a command's limits must not exceed. */
export interface HardLimits {
  readonly openFiles: number
  readonly processes: number
}

/** Everything that decides what one command sees and may do. Paths are the host's, absolute and real. */
export interface CommandArgvInput {
  readonly argv: readonly string[]
  /** Relative to the workspace, already checked to hold no `..`. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly workspace: string
  /** Directory of the host that the command sees as its door. */
  readonly doorDir?: string | undefined
  /** Directory that is seen as /etc, with a place for each mount of the host's that lies below it. */
  readonly etc: string
  /** Directory with what git and pnpm find below the home. */
  readonly homeDir: string
  readonly host: HostView
  readonly limits: Limits
  readonly hardLimits: HardLimits
  /** The project's cache, seen below the home; left out: the command has none. */
  readonly cacheDir?: string
  /** Directory of the host with kept installations; left out: the command sees none. */
  readonly kept?: { readonly dir: string; readonly isWritable: boolean }
  /** Left out: the command has no way out at all. */
  readonly network?: NetworkMounts
  /** Whether {@link DOOR_FD} carries the socket by which a service is reached. */
  readonly isService?: boolean
  /** Services that the command finds on its loopback; left out: none. */
  readonly reach?: ReachedServices
}

/** Ports of the sandbox's services, with the sockets behind them. */
export interface ReachedServices {
  /** Directory of the host with the sockets. */
  readonly dir: string
  readonly ports: readonly { readonly port: number; readonly socket: string }[]
}

/** What of the egress gateway a command sees. */
export interface NetworkMounts {
  /** Directory with the sandbox's own `egress.sock`. */
  readonly socketDir: string
  /** Certificates that commands trust. */
  readonly bundle: string
  /** The same for the JVM; a gateway of an earlier version makes none. */
  readonly trustStore: string
  /** The host's bundle, in whose place this one is seen, too; null when it has none. */
  readonly systemBundle: string | null
}

/** Name and content of the files of /etc that are made up, so that nothing of the host's accounts is seen. */
export const GENERATED_ETC: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:${SANDBOX_UID}:${SANDBOX_UID}:agent:${SANDBOX_HOME}:/bin/bash\n`,
  group: `root:x:0:\nagent:x:${SANDBOX_UID}:\n`,
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
}

const KERNEL_SETTINGS = ['/proc/sys', '/proc/sysrq-trigger', '/proc/irq', '/proc/bus'] as const

const SHM_BYTES = 64 * 1024 * 1024

/**
 * Where git looks for what every repository overlooks, below a home, and what stands there: our own files, so that a
 * repository which a command makes takes them neither as new nor with `git add -A`.
 */
export const GIT_IGNORE = {
  path: '.config/git/ignore',
  file: 'git-ignore',
  text: `${OWN_FILES.map((path) => `/${path}`).join('\n')}\n`,
} as const

/** What every command of every provider finds set: nothing asks, pages or colours. */
export const QUIET_BASE_ENV: Readonly<Record<string, string>> = {
  SHELL: '/bin/bash',
  TMPDIR: '/tmp',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
  NO_COLOR: '1',
  CI: '1',
  PAGER: 'cat',
  GIT_PAGER: 'cat',
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'agent',
  GIT_AUTHOR_EMAIL: 'agent@sandbox.invalid',
  GIT_COMMITTER_NAME: 'agent',
  GIT_COMMITTER_EMAIL: 'agent@sandbox.invalid',
  npm_config_update_notifier: 'false',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
}

/** The environment of a command: fixed values, then what the caller asked for. Nothing of the host's own is in it. */
export function commandEnv(host: HostView, env: Readonly<Record<string, string>>): Record<string, string> {
  const home = { HOME: SANDBOX_HOME, USER: 'agent', LOGNAME: 'agent' }
  return { ...home, ...QUIET_BASE_ENV, PATH: host.path, ...env }
}

const CODE_RANGE_BYTES = 1024 ** 3

/**
 * The limits that the kernel keeps per process, set inside the namespace: there the process count is the sandbox's own
 * (Linux 5.14 and later count per user namespace), outside it would be the whole user's. RLIMIT_DATA is a net under
 * the memory watchdog: twice the limit, for a single process that allocates faster than anybody looks, and a GiB more,
 * since V8 of Node 24 reserves its code range as data. RLIMIT_AS is left alone because WebAssembly reserves address space
 * it never uses.
 */
export function prlimitArgv(limits: Limits, hard: HardLimits): string[] {
  const openFiles = Math.min(limits.openFiles, hard.openFiles)
  const processes = Math.min(limits.maxProcesses, hard.processes)
  const data = limits.memoryBytes * 2 + CODE_RANGE_BYTES
  return [
    '/usr/bin/prlimit',
    `--nofile=${openFiles}:${openFiles}`,
    `--nproc=${processes}:${processes}`,
    `--fsize=${limits.fileBytes}:${limits.fileBytes}`,
    `--data=${data}:${data}`,
    '--core=0:0',
    '--',
  ]
}

/**
 * Spec in, command line out; pure. `args` is everything that names host paths and goes to bwrap through a descriptor,
 * so that /proc/1/cmdline inside shows none of it; `command` is the visible rest.
 */
export function bwrapArgv(input: CommandArgvInput): { args: string[]; command: string[] } {
  const { limits, host } = input
  const args = words(
    '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net --unshare-cgroup-try',
    '--disable-userns --cap-drop ALL --die-with-parent --new-session',
    `--uid ${SANDBOX_UID} --gid ${SANDBOX_UID} --hostname sandbox`,
  )
  args.push('--ro-bind', input.etc, '/etc')
  for (const mount of host.mounts) {
    args.push(mount.kind === 'bind' ? '--ro-bind' : '--symlink', mount.source, mount.target)
  }
  for (const place of host.hidden)
    args.push(...words('--perms 0555 --size 4096'), '--tmpfs', place, '--remount-ro', place)
  args.push(
    ...words(
      `--proc /proc --dev /dev --size ${SHM_BYTES} --tmpfs /dev/shm`,
      `--perms 1777 --size ${limits.fileBytes} --tmpfs /tmp --size ${limits.fileBytes} --tmpfs ${SANDBOX_HOME}`,
      '--dir /run --dir /var --symlink /tmp /var/tmp',
    ),
  )
  for (const { file, path } of [GIT_IGNORE, PNPM_SETTINGS]) {
    args.push('--ro-bind-try', `${input.homeDir}/${file}`, `${SANDBOX_HOME}/${path}`)
  }
  if (input.cacheDir !== undefined) {
    args.push('--bind', input.cacheDir, `${SANDBOX_HOME}/${CACHE_DIR}`)
    // Maven and its wrapper take no other place from a variable that older ones read.
    args.push('--symlink', `${CACHE_DIR}/${MAVEN_DIR}`, `${SANDBOX_HOME}/.m2`)
  }
  // bwrap covers these itself, but only where it could write them: the settings of a command's own namespaces stay open.
  for (const name of KERNEL_SETTINGS) args.push('--ro-bind-try', name, name)
  const { network } = input
  if (network !== undefined) {
    args.push('--dir', '/run/keelson', '--ro-bind', network.socketDir, '/run/keelson/net')
    args.push('--ro-bind', network.bundle, CERTIFICATES, '--ro-bind-try', network.trustStore, TRUST_STORE)
    if (network.systemBundle !== null) args.push('--ro-bind', network.bundle, network.systemBundle)
  }
  args.push('--bind', input.workspace, WORKSPACE)
  if (input.doorDir !== undefined) args.push('--ro-bind', input.doorDir, DOOR)
  if (input.reach !== undefined) args.push('--ro-bind', input.reach.dir, SERVICES)
  if (input.kept !== undefined) args.push(input.kept.isWritable ? '--bind' : '--ro-bind', input.kept.dir, KEPT)
  // The root and /dev are unsized memory file systems of the namespace: closed last, when all is mounted.
  args.push(...words('--remount-ro /dev --remount-ro /'))
  args.push('--chdir', input.cwd === '' ? WORKSPACE : `${WORKSPACE}/${input.cwd}`)
  args.push(...words(`--seccomp ${SECCOMP_FD} --json-status-fd ${STATUS_FD} --clearenv`))
  for (const [name, value] of Object.entries(commandEnv(host, input.env))) args.push('--setenv', name, value)
  if ([...args, ...input.argv].some((word) => word.includes('\0'))) {
    // The arguments reach bwrap joined by NUL: one inside of a word would begin an argument of its own.
    throw new AppError('sandbox_bad_request', 'a command cannot hold a NUL character')
  }
  const bridge = network === undefined ? [] : ['/bin/bash', '-c', BRIDGE_SCRIPT, 'keelson']
  const wrapped = [...bridge, ...serviceArgv(input), ...input.argv]
  return { args, command: [...prlimitArgv(limits, input.hardLimits), ...wrapped] }
}

function serviceArgv({ host, isService, reach }: CommandArgvInput): string[] {
  if (isService) return serviceCommand(host.path, DOOR_FD)
  return reach === undefined ? [] : reachingCommand(host.path, SERVICES, reach.ports)
}

/** Splits lines of arguments that hold no spaces of their own. */
function words(...lines: string[]): string[] {
  return lines.flatMap((line) => line.split(' '))
}
