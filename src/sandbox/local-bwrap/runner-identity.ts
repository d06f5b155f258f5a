import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { isRecord } from '../../shared/is-record.ts'
import { identify, isAlive, type ProcessIdentity } from './identity.ts'
import { isMissing, writeWhole } from './job-files.ts'
import { namesIn } from './names-in.ts'
import type { RunnerArgs } from './runner-args.ts'

const IDENTITY_CHARS = 16

let cachedCode: string | undefined

/** The hash of this folder's code: how a command is isolated is written there. */
function codeHash(): string {
  if (cachedCode === undefined) {
    const here = path.dirname(fileURLToPath(import.meta.url))
    const hash = createHash('sha256')
    for (const name of readdirSync(here).sort()) {
      if (/\.[jt]s$/.test(name)) hash.update(`${name}\0`).update(readFileSync(path.join(here, name)))
    }
    cachedCode = hash.digest('hex')
  }
  return cachedCode
}

/**
 * Names everything that decides how a runner isolates and limits commands: its kind, its limits, its programs and its
 * code. It is part of the socket's and the lock's name and of each request, so that a runner which was started with other
 * settings, or by another version, never serves a worker of these.
 */
export function runnerIdentity(args: Omit<RunnerArgs, 'socketPath'> & { readonly socketPath?: string }): string {
  const { dir: _dir, idleMs: _idleMs, socketPath: _socketPath, ...isolation } = args
  const sorted = JSON.stringify(isolation, (_key, value: unknown) =>
    isRecord(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  )
  return createHash('sha256').update(`${codeHash()}\n${sorted}`).digest('hex').slice(0, IDENTITY_CHARS)
}

/** A runner of a base directory that lives. `identity` is null for one of a version that had none. */
export interface LivingRunner {
  readonly identity: string | null
  readonly process: ProcessIdentity
}

function runnersDir(dir: string): string {
  return path.join(dir, 'runners')
}

/**
 * Lets others find this process: `runners/<identity>.json`, {pid, start}. Whoever stops a whole instance ends what it
 * finds there. Safe to repeat.
 */
export function writeRunner(dir: string, identity: string): void {
  const self = identify(process.pid)
  if (self === null) return
  mkdirSync(runnersDir(dir), { recursive: true, mode: 0o700 })
  const text = JSON.stringify({ pid: self.pid, start: `${self.bootId}/${self.startTicks}` })
  writeWhole(path.join(runnersDir(dir), `${identity}.json`), text)
}

/** Takes back what {@link writeRunner} wrote. Safe to repeat. */
export function forgetRunner(dir: string, identity: string): void {
  rmSync(path.join(runnersDir(dir), `${identity}.json`), { force: true })
}

/** The runners of a base directory that live, those of earlier versions included. */
export function livingRunners(dir: string): LivingRunner[] {
  const found = [readRunner(path.join(dir, 'runner.json'), null)]
  for (const name of namesIn(runnersDir(dir))) {
    if (name.endsWith('.json')) found.push(readRunner(path.join(runnersDir(dir), name), name.slice(0, -'.json'.length)))
  }
  return found.filter((runner) => runner !== null)
}

function readRunner(file: string, identity: string | null): LivingRunner | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
  const [, pid, bootId, startTicks] = /"pid":(\d+),"start":"([0-9a-f-]+)\/(\d+)"/.exec(text) ?? []
  if (pid === undefined || bootId === undefined || startTicks === undefined) return null
  const runner = { pid: Number(pid), startTicks, bootId }
  return isAlive(runner) ? { identity, process: runner } : null
}

const FIFOS_PREFIX = 'fifos-'

/** A directory of one runner's own, see `createFifoPool`. */
export function fifosDir(dir: string, identity: string): string {
  return path.join(dir, `${FIFOS_PREFIX}${identity}`)
}

/** Removes what runners that are gone left of theirs. Called by a runner that holds its lock. */
export function sweepFifos(dir: string, identity: string): void {
  const living = new Set([identity, ...livingRunners(dir).map((runner) => runner.identity)])
  for (const name of namesIn(dir)) {
    if (!name.startsWith(FIFOS_PREFIX) || living.has(name.slice(FIFOS_PREFIX.length))) continue
    rmSync(path.join(dir, name), { recursive: true, force: true })
  }
}
