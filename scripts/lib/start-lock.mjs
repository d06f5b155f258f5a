import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isAlive } from './process-identity.mjs'

/**
 * Takes the right to run from this home directory, for this process. The right of a process that is gone passes on.
 *
 * @param {string} home
 * @returns {{ release(): void } | { heldBy: number }} the holder's process number when it is taken
 */
export function takeStartLock(home) {
  const file = join(home, 'lock')
  const mine = JSON.stringify(identify(process.pid))
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, mine, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (linkIfAbsent(temporary, file)) return { release: () => release(file, mine) }
      const text = readIfPresent(file)
      if (text === undefined) continue
      const holder = parseIdentity(text)
      if (holder !== undefined && isAlive(holder)) return { heldBy: holder.pid }
      discard(file, text)
    }
    throw new Error(`The lock ${file} could not be taken.`)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/**
 * @param {string} home
 * @returns {import('./process-identity.mjs').ProcessIdentity | undefined} the living process that holds the right
 */
export function readLockHolder(home) {
  const text = readIfPresent(join(home, 'lock'))
  const holder = text === undefined ? undefined : parseIdentity(text)
  return holder !== undefined && isAlive(holder) ? holder : undefined
}

/**
 * Removes a dead holder's lock, unless somebody replaced it since we read it.
 *
 * @param {string} file
 * @param {string} text what we read
 */
function discard(file, text) {
  const aside = `${file}.${process.pid}.stale`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return
    throw error
  }
  if (readFileSync(aside, 'utf8') !== text) linkIfAbsent(aside, file)
  rmSync(aside, { force: true })
}

/**
 * @param {string} file
 * @param {string} mine
 */
function release(file, mine) {
  if (readIfPresent(file) === mine) rmSync(file, { force: true })
}

/**
 * @param {string} existing
 * @param {string} file
 * @returns {boolean} false when the file is there already
 */
function linkIfAbsent(existing, file) {
  try {
    linkSync(existing, file)
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false
    throw error
  }
}

/**
 * @param {string} file
 * @returns {string | undefined}
 */
function readIfPresent(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * @param {string} text
 * @returns {import('./process-identity.mjs').ProcessIdentity | undefined}
 */
function parseIdentity(text) {
  try {
    const value = JSON.parse(text)
    return typeof value?.pid === 'number' && typeof value?.start === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
