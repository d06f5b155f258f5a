/** Where the egress gateway and those who use it find each other: one directory an installation, one part of it a sandbox. */

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { writeOnce } from '../shared/write-once.ts'

/** Where the gateway's files lie on this host; all of them in `dir`. */
export interface GatewayPaths {
  readonly dir: string
  readonly control: string
  /** What this host's tools use, with their credentials: mode 0600. */
  readonly registries: string
  /** The proxies that this host itself must use, with their credentials: mode 0600. */
  readonly hostProxies: string
  /** Variables that tell tools inside a sandbox of registries that are not their defaults; no secrets. */
  readonly toolEnv: string
  /** Certificates that commands trust: this host's public ones and the gateway's own. */
  readonly bundle: string
  /** The same for the JVM. */
  readonly trustStore: string
}

/** Where the files of one sandbox's way out lie on this host. */
export interface SandboxNetPaths {
  /** The only part that is mounted into commands: a directory, since a gateway that starts anew makes its socket anew. */
  readonly mount: string
  readonly socket: string
  readonly policy: string
  /** One JSON line for each refusal. */
  readonly denied: string
}

/** Longest path a unix socket's address holds is 107 bytes; some systems take fewer. */
const MAX_SOCKET_PATH_BYTES = 100
const LONGEST_NAME_BYTES = '/'.length + 24 + '/egress.sock'.length

/**
 * The gateway's directory for a directory of sandboxes: below it, or, when its sockets' paths would be too long there, a
 * hash-named one in /tmp. Pure.
 */
export function gatewayPaths(sandboxesDir: string): GatewayPaths {
  const own = path.join(sandboxesDir, 'net')
  const fits = Buffer.byteLength(own) + LONGEST_NAME_BYTES <= MAX_SOCKET_PATH_BYTES
  return gatewayPathsIn(fits ? own : path.join('/tmp', `keelson-net-${hash(sandboxesDir)}`))
}

/** The parts of a gateway's directory, also for who finds it at another path. Pure. */
export function gatewayPathsIn(dir: string): GatewayPaths {
  return {
    dir,
    control: path.join(dir, 'control.sock'),
    registries: path.join(dir, 'registries.json'),
    hostProxies: path.join(dir, 'host-proxies.json'),
    toolEnv: path.join(dir, 'tool-env.json'),
    bundle: path.join(dir, 'certificates.pem'),
    trustStore: path.join(dir, 'certificates.p12'),
  }
}

/** The parts of one sandbox. Its name is a hash, so that only who knows the sandbox's id finds them. Pure. */
export function sandboxNetPaths(dir: string, sandboxId: string): SandboxNetPaths {
  return netPathsOf(dir, hash(sandboxId))
}

const KEY = /^[0-9a-f]{24}$/

/** As {@link sandboxNetPaths}, from the name itself. Throws when it is none. */
export function netPathsOf(dir: string, key: string): SandboxNetPaths {
  if (!KEY.test(key)) throw new Error('not the name of a sandbox')
  const mount = path.join(dir, key)
  return {
    mount,
    socket: path.join(mount, 'egress.sock'),
    policy: path.join(dir, `${key}.json`),
    denied: path.join(dir, `${key}.denied`),
  }
}

/** The name under which the gateway knows a sandbox. Pure. */
export function netKey(sandboxId: string): string {
  return hash(sandboxId)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

/** Makes the gateway's directory. Others may pass through it to what they know by name, and list nothing. */
export function makeGatewayDir(dir: string): void {
  makeDirectory(dir, 0o711)
}

/** Makes a directory of exactly this mode: what a process may leave to others is cut by its umask otherwise. */
export function makeDirectory(dir: string, mode: number): void {
  if (mkdirSync(dir, { recursive: true, mode }) !== undefined) chmodSync(dir, mode)
}

/** Replaces a file in one step. */
export function replaceInOneStep(file: string, content: string | Uint8Array, mode: number): void {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(fresh, content, { mode: 0o600 })
  chmodSync(fresh, mode)
  renameSync(fresh, file)
}

/** Name of the abstract socket that only one gateway of a directory can hold; the secret keeps other users from taking it first. */
export function gatewayLockName(dir: string): string {
  const secret = writeOnce(path.join(dir, 'lock'), () => randomBytes(24).toString('hex'))
  return `\0keelson-egress-${secret.trim()}`
}
