import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { identify, isAlive, type ProcessIdentity } from './identity.ts'

const WAIT_MS = 120_000
const POLL_MS = 20

/** Work of this process by git directory: processes need a file to take turns, one process does not. */
const turns = new Map<string, Promise<unknown>>()

/**
 * Runs `work` while nobody else, in any process of this host, takes a checkpoint of, restores or prunes the same sandbox.
 * A process that died gives up its turn. Throws `sandbox_busy` after two minutes.
 */
export async function inTurn<T>(gitDir: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(gitDir) ?? Promise.resolve()
  const mine = before.then(() => withLockFile(path.join(gitDir, 'keelson.lock'), work))
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

async function withLockFile<T>(lock: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + WAIT_MS
  while (!takeLock(lock)) {
    if (Date.now() > deadline) {
      throw new AppError('sandbox_busy', 'Another process is busy with the files of this project.')
    }
    await sleep(POLL_MS)
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** The lock appears whole, with its owner in it, or not at all. */
function takeLock(lock: string): boolean {
  const fresh = `${lock}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(fresh, JSON.stringify(identify(process.pid)), { mode: 0o600 })
    linkSync(fresh, lock)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT') throw new AppError('sandbox_gone', 'this sandbox does not exist any more', { cause: error })
    if (code !== 'EEXIST') throw error
    breakStale(lock)
    return false
  } finally {
    rmSync(fresh, { force: true })
  }
}

function ownerOf(lock: string): ProcessIdentity | null {
  try {
    // Our own file, made whole.
    return JSON.parse(readFileSync(lock, 'utf8')) as ProcessIdentity | null
  } catch {
    // It was just given back.
    return null
  }
}

/** Takes away the lock of a dead process. One that a live process took in between is put back. */
function breakStale(lock: string): void {
  const owner = ownerOf(lock)
  if (owner === null || isAlive(owner)) return
  const aside = `${lock}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(lock, aside)
    const taken = ownerOf(aside)
    if (taken !== null && isAlive(taken)) linkSync(aside, lock)
  } catch {
    // Somebody else was quicker, whichever way.
  } finally {
    rmSync(aside, { force: true })
  }
}
