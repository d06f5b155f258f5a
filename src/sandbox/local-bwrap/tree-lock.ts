import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { identify, isAlive, isStopped, type ProcessIdentity } from './identity.ts'
import { isMissing } from './job-files.ts'

const WAIT_MS = 120_000
const POLL_MS = 20
/** A holder that is stopped this long gives up its turn, where that is safe. */
const MAX_STOPPED_MS = 2_000

/**
 * What a turn does. `looking` adds objects and removes or overwrites nothing, so it may go on, unnoticed and for nothing, after
 * its turn was given to another one; a turn that changes files may not.
 */
export type TurnKind = 'changing' | 'looking'

/** What the lock file holds; versions before this one wrote the process alone, and are waited for. */
interface Holder extends ProcessIdentity {
  readonly kind?: TurnKind
  readonly token?: string
}

/** Work of this process by git directory: processes need a file to take turns, one process does not. */
const turns = new Map<string, Promise<unknown>>()

/**
 * Runs `work` while nobody else, in any process of this host, takes a checkpoint of, restores or prunes the same sandbox.
 * A process that died gives up its turn at once, one that only looks and is stopped (SIGSTOP) after two seconds: when it goes
 * on, what it found counts for nothing and it throws `sandbox_busy`, to be tried again. Throws the same after two minutes of
 * waiting.
 */
export async function inTurn<T>(gitDir: string, work: () => Promise<T>, kind: TurnKind = 'changing'): Promise<T> {
  const before = turns.get(gitDir) ?? Promise.resolve()
  const mine = before.then(() => withLockFile(path.join(gitDir, 'keelson.lock'), work, kind))
  // Its caller has the failure; the next one starts anyhow.
  const settled = mine.then(
    () => undefined,
    () => undefined,
  )
  turns.set(gitDir, settled)
  try {
    return await mine
  } finally {
    if (turns.get(gitDir) === settled) turns.delete(gitDir)
  }
}

async function withLockFile<T>(lock: string, work: () => Promise<T>, kind: TurnKind): Promise<T> {
  const deadline = Date.now() + WAIT_MS
  const token = randomBytes(9).toString('hex')
  const stopped: StoppedHolder = { token: undefined, since: 0 }
  while (!takeLock(lock, { kind, token }, stopped)) {
    if (Date.now() > deadline) throw busy()
    await sleep(POLL_MS)
  }
  const outcome = await work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  const wasOurs = giveBack(lock, token)
  if (!existsSync(path.dirname(lock))) throw 'error' in outcome ? outcome.error : gone()
  // Whoever took the turn may have removed what the result names.
  if (!wasOurs) throw busy('error' in outcome ? outcome.error : undefined)
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

function gone(cause?: unknown): AppError {
  return new AppError('sandbox_gone', 'this sandbox does not exist any more', { cause })
}

function busy(cause?: unknown): AppError {
  return new AppError('sandbox_busy', 'Another process is busy with the files of this project.', { cause })
}

/** Since when a waiting process has seen the same holder stopped. */
interface StoppedHolder {
  token: string | undefined
  since: number
}

/** The lock appears whole, with its owner in it, or not at all. */
function takeLock(lock: string, mine: { kind: TurnKind; token: string }, stopped: StoppedHolder): boolean {
  const fresh = `${lock}.${mine.token}`
  try {
    writeFileSync(fresh, JSON.stringify({ ...identify(process.pid), ...mine }), { mode: 0o600 })
    linkSync(fresh, lock)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT') throw gone(error)
    if (code !== 'EEXIST') throw error
    breakStale(lock, stopped)
    return false
  } finally {
    removeFile(fresh)
  }
}

function holderOf(lock: string): Holder | null {
  try {
    // Our own file, made whole.
    return JSON.parse(readFileSync(lock, 'utf8')) as Holder | null
  } catch {
    // It was just given back.
    return null
  }
}

/** Whether the turn was still ours. Another one's lock that came into its place is put back. */
function giveBack(lock: string, token: string): boolean {
  return holderOf(lock)?.token === token && takeAway(lock, (holder) => holder.token === token)
}

/** Takes away the lock of a dead process, and of one that looks and is stopped for long. */
function breakStale(lock: string, stopped: StoppedHolder): void {
  const holder = holderOf(lock)
  if (holder === null) return
  if (!isAlive(holder)) {
    takeAway(lock, (taken) => !isAlive(taken))
    return
  }
  const { kind, token } = holder
  if (kind !== 'looking' || token === undefined || !isStopped(holder)) {
    stopped.token = undefined
    return
  }
  if (stopped.token !== token) {
    stopped.token = token
    stopped.since = Date.now()
  }
  if (Date.now() - stopped.since < MAX_STOPPED_MS) return
  takeAway(lock, (taken) => taken.token === token)
}

/** Removes the lock of the holder that is meant. One that a live process took in between is put back. */
function takeAway(lock: string, isMeant: (holder: Holder) => boolean): boolean {
  const aside = `${lock}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(lock, aside)
    const taken = holderOf(aside)
    if (taken !== null && isMeant(taken)) return true
    linkSync(aside, lock)
    return false
  } catch {
    // Somebody else was quicker, whichever way.
    return false
  } finally {
    removeFile(aside)
  }
}

/** One system call, where `rmSync` takes several. */
function removeFile(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
