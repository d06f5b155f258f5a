import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { O_PATH } from './confined.ts'

/** The fixed place of the workspace inside the sandbox. */
export const WORKSPACE = '/workspace'

/** Where one sandbox keeps its parts on the host. Only `workspace` is ever mounted into a command. */
export interface SandboxPaths {
  readonly base: string
  readonly workspace: string
  /** One directory per execId: spec, log, tail, pid, exit. */
  readonly jobs: string
  /** The git object store of the checkpoints. */
  readonly shadow: string
  /** Files on their way into the workspace, on the same file system so that a rename finishes them. */
  readonly staging: string
  /** The numbers of the attempts that may have effects, see fence.ts. */
  readonly fences: string
  /** Shared by all sandboxes of the base directory: what lies here is being removed, by whoever sweeps. */
  readonly trash: string
  /** Written last when the sandbox is made; its absence means there is no sandbox. */
  readonly marker: string
}

/** Where a command finds its door, when it has one. */
export const DOOR = '/run/door'

/** Where a command finds the sockets of the services that it reaches. */
export const SERVICES = '/run/services'

/** The directory of the host with the sockets of one sandbox's services. */
export function servicesDir(dir: string, sandboxId: string): string {
  return path.join(dir, 'services', shortHash(sandboxId))
}

/** The name of a service's socket in {@link servicesDir}. */
export function serviceSocket(execId: string): string {
  return `${shortHash(execId)}.sock`
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

/** The directory of the host with all doors of a base directory. */
export function doorsDir(dir: string): string {
  return path.join(dir, 'doors')
}

const NAME = /^[A-Za-z0-9_.-]{1,128}$/

/** Refuses names that could be a path, e.g. `..`. Throws `sandbox_bad_request`. */
export function checkName(what: string, name: unknown): string {
  if (typeof name === 'string' && NAME.test(name) && name !== '.' && name !== '..') return name
  throw new AppError('sandbox_bad_request', `${what} must be 1 to 128 characters of A-Z a-z 0-9 _ . -`)
}

/** The id of a project's sandbox. Throws `sandbox_bad_request` for names that could be paths. Pure. */
export function sandboxId(projectId: string, generation: number): string {
  if (!Number.isSafeInteger(generation) || generation < 0) {
    throw new AppError('sandbox_bad_request', 'generation must be a whole number from 0')
  }
  return `${checkName('projectId', projectId)}/g${generation}`
}

/** Paths of the sandbox that `sandboxId` named; refuses any other string. */
export function sandboxPaths(dir: string, id: string): SandboxPaths {
  const [projectId, generation, ...rest] = id.split('/')
  if (rest.length > 0 || generation === undefined || !/^g\d{1,15}$/.test(generation)) {
    throw new AppError('sandbox_bad_request', 'not the id of a local sandbox')
  }
  const base = path.join(dir, 'projects', checkName('projectId', projectId), generation)
  return {
    base,
    workspace: path.join(base, 'workspace'),
    jobs: path.join(base, 'jobs'),
    shadow: path.join(base, 'shadow.git'),
    staging: path.join(base, 'staging'),
    fences: path.join(base, 'fences'),
    trash: path.join(dir, 'trash'),
    marker: path.join(base, 'sandbox.json'),
  }
}

/** Where a project's commands keep what they download: of the project, not of one generation of its sandbox. */
export function projectCacheDir(dir: string, id: string): string {
  return path.join(dir, 'caches', projectOf(id))
}

/** Where a command finds kept installations, when it is given them. */
export const KEPT = '/run/kept'

/** The directory of the host with what set-ups of a project installed: no command of the project sees it otherwise. */
export function keptDir(dir: string, projectId: string): string {
  return path.join(dir, 'kept', checkName('projectId', projectId))
}

/** The project that a sandbox of this id belongs to. Throws `sandbox_bad_request`. Pure. */
export function projectOf(id: string): string {
  return checkName('projectId', id.split('/')[0])
}

/** Where a command's files lie. Throws `sandbox_bad_request` for an exec id that could be a path. Pure. */
export function jobDir(paths: SandboxPaths, execId: string): string {
  return path.join(paths.jobs, checkName('execId', execId))
}

/**
 * Calls `use` with an address of the socket that is short enough, however long its path is; through a descriptor of its
 * directory, which `use` closes when it needs the address no longer. Throws what opening the directory says.
 */
export function withShortAddress<T>(socketPath: string, use: (address: string, close: () => void) => T): T {
  if (Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES) return use(socketPath, () => undefined)
  const fd = openSync(path.dirname(socketPath), O_PATH)
  return use(`/proc/self/fd/${fd}/${path.basename(socketPath)}`, () => closeSync(fd))
}

/** Longest path a unix socket's address holds is 107 bytes; some systems take fewer. */
const MAX_SOCKET_PATH_BYTES = 100

/** Fixed and not TMPDIR, on which workers and runner need not agree. */
const SHORT_DIR = '/tmp'

/** The socket of the runner with this identity in the base directory. Pure. */
export function ownSocketPath(dir: string, identity: string): string {
  return path.join(dir, `runner-${identity}.sock`)
}

/**
 * The socket of the runner with this identity (see `runnerIdentity`): in the base directory, or in a private directory of
 * `uid` with a hash for a name when that is too long.
 */
export function runnerSocketPath(dir: string, identity: string, uid = process.getuid?.() ?? 0): string {
  const direct = ownSocketPath(dir, identity)
  if (Buffer.byteLength(direct) <= MAX_SOCKET_PATH_BYTES) return direct
  const hash = createHash('sha256').update(`${dir}\0${identity}`).digest('hex').slice(0, 24)
  return path.join(SHORT_DIR, `keelson-${uid}-${hash}`, 'runner.sock')
}

/**
 * Refuses a socket directory that somebody else could have put there or can write to: in a shared /tmp its name can be
 * guessed. `uid` is the user that the runner runs as. A missing one is fine. Throws `sandbox_unavailable`.
 */
export function checkSocketDirectory(socketPath: string, uid: number): void {
  const stat = lstatSync(path.dirname(socketPath), { throwIfNoEntry: false })
  if (stat === undefined) return
  const isOurs = stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0
  if (isOurs) return
  throw new AppError(
    'sandbox_unavailable',
    `${path.dirname(socketPath)} must belong to the user of commands (${uid}) and be writable by no other`,
  )
}
