/**
 * Which attempts may still have effects on a sandbox. Attempts are numbered; each notes its number before its first effect,
 * and from then on lower ones are refused. Three things hold without a lock, since whoever held one could be frozen:
 *
 * 1. Numbers are names in a directory: adding one is one step, and a lower one is removed only after a higher one is there,
 *    so the highest never falls.
 * 2. An attempt's files are made in a staging directory with its number. Whoever notes a higher number moves that directory
 *    away first: the rename that would put a file into the workspace then fails, however long the attempt slept before it.
 * 3. The runner looks at the numbers between a start's turn and its beginning; it is one process that nobody freezes with a
 *    worker.
 *
 * Nothing is forced onto the disk: attempts that a power cut could bring back are ended by it.
 */

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { isMissing } from './job-files.ts'
import type { SandboxPaths } from './layout.ts'

/** One attempt's right to change files. */
export interface Fence {
  readonly lease: number
  /** Where its files are made on their way into the workspace. */
  readonly staging: string
  /** Throws `lease_lost` once a newer attempt has noted itself. Costs one look into a directory of one name. */
  check(): void
}

const NUMBER = /^\d{1,15}$/
/** Begins the name of a staging directory that was taken from its attempt. */
const PAST = 'past-'

/** The error of everything that an attempt with a lower number than the newest one tries. */
export function filesLeaseLost(): AppError {
  return new AppError('lease_lost', 'Another attempt has taken over this project’s files.')
}

/** Makes the directory of the numbers, whole, so that the runner's user can always read it. Safe to repeat. */
export function makeFences(paths: SandboxPaths): void {
  if (existsSync(paths.fences)) return
  const fresh = `${paths.fences}-${randomBytes(6).toString('hex')}`
  mkdirSync(fresh, { mode: 0o755 })
  // The umask has cut the mode. Only the runner's user and root get as far as this directory.
  chmodSync(fresh, 0o755)
  try {
    renameSync(fresh, paths.fences)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(paths.fences)) throw error
  }
}

/** The highest number noted in a sandbox, 0 when there is none. */
export function newestLease(paths: Pick<SandboxPaths, 'fences'>): number {
  let newest = 0
  for (const name of numbersIn(paths.fences)) newest = Math.max(newest, Number(name))
  return newest
}

/**
 * Notes an attempt as the newest. Throws `lease_lost` when a newer one did so before, and `sandbox_gone`. Safe to repeat, in
 * any process and at the same time.
 */
export function raiseFence(paths: SandboxPaths, lease: number): Fence {
  if (!Number.isSafeInteger(lease) || lease < 1) {
    throw new AppError('sandbox_bad_request', 'an attempt’s number must be a whole number from 1')
  }
  const fence: Fence = {
    lease,
    staging: path.join(paths.staging, String(lease)),
    check() {
      if (newestLease(paths) > lease) throw filesLeaseLost()
    },
  }
  fence.check()
  try {
    note(paths, lease)
    removeOlder(paths, lease)
    makeStaging(fence.staging)
  } catch (error) {
    fence.check()
    if (isMissing(error)) throw new AppError('sandbox_gone', 'this sandbox does not exist any more', { cause: error })
    throw error
  }
  // A newer one may have come and found no staging directory to move away: what was made after that counts for nothing.
  fence.check()
  removePast(paths)
  return fence
}

/** Not its parents: those of a sandbox that is just being removed must not come back. */
function makeStaging(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** Files that attempts left on their way. One that an attempt is just making an entry in stays for the next time. */
function removePast(paths: SandboxPaths): void {
  for (const name of readdirSync(paths.staging)) {
    if (!name.startsWith(PAST)) continue
    try {
      rmSync(path.join(paths.staging, name), { recursive: true, force: true })
    } catch (error) {
      if (codeOf(error) !== 'ENOTEMPTY') throw error
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function note(paths: SandboxPaths, lease: number): void {
  const file = path.join(paths.fences, String(lease))
  try {
    writeFileSync(file, '')
  } catch (error) {
    if (!isMissing(error)) throw error
    // The sandbox of a version that knew no fences; or one that was just removed, then this fails as well.
    makeFences(paths)
    writeFileSync(file, '')
  }
}

function removeOlder(paths: SandboxPaths, lease: number): void {
  for (const name of readdirSync(paths.staging)) {
    if (!NUMBER.test(name) || Number(name) >= lease) continue
    try {
      renameSync(path.join(paths.staging, name), path.join(paths.staging, `${PAST}${randomBytes(6).toString('hex')}`))
    } catch (error) {
      if (!isMissing(error)) throw error // else another attempt moved it away
    }
  }
  for (const name of numbersIn(paths.fences)) {
    if (Number(name) < lease) rmSync(path.join(paths.fences, name), { force: true })
  }
}

function numbersIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => NUMBER.test(name))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
