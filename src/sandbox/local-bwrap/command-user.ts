/**
 * Who commands are outside of their sandbox. An ordinary user's commands are that user's. Root's are never root's: they,
 * their runner and the workspaces belong to an unprivileged user, the one of `KEELSON_SANDBOX_USER` or else a user number of
 * this directory's own that nobody else on the machine has.
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, lstatSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'

/** Numbers of a user and its group, never 0. */
export interface CommandUser {
  readonly uid: number
  readonly gid: number
}

/**
 * Where a directory's own number comes from: first what lies between 16-bit users and the first subordinate number of
 * useradd(8), which no system hands out; where only 16 bits are mapped, the end of the range that Debian leaves free.
 */
const RANGES = [
  { first: 65_600, count: 34_000 },
  { first: 52_000, count: 8_000 },
] as const

const MAX_TRIES = 1_000
const LOOKUP_TIMEOUT_MS = 10_000
const LOOKUP_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * The user of the commands below `dir`, null when this process is an ordinary user and its commands are its own. The first
 * call as root without a setting notes the number in the directory; all later ones, in any process, return the same. Throws
 * `sandbox_unavailable`, not to be retried, with what to set.
 */
export function commandUserOf(dir: string, setting: string | undefined): CommandUser | null {
  if (setting !== undefined) {
    const user = lookUp(setting)
    if (isRoot()) return user
    if (user.uid === process.getuid?.()) return null
    throw new AppError(
      'sandbox_unavailable',
      `KEELSON_SANDBOX_USER is ${setting}, but only root can run commands as another user: ` +
        'leave it out, or start Keelson by root',
    )
  }
  if (!isRoot()) return null
  const file = path.join(dir, 'user.json')
  return readNoted(file) ?? note(file, pick(dir))
}

function lookUp(name: string): CommandUser {
  const refuse = (why: string): never => {
    throw new AppError('sandbox_unavailable', `KEELSON_SANDBOX_USER is ${name}, ${why}: name an unprivileged user`)
  }
  if (!/^[A-Za-z0-9_.-]{1,64}\$?$/.test(name) || name.startsWith('-')) return refuse('which is no name of a user')
  const user = /^\d+$/.test(name)
    ? { uid: Number(name), gid: idOf('-g', name) ?? Number(name) }
    : { uid: idOf('-u', name), gid: idOf('-g', name) }
  if (user.uid === undefined || user.gid === undefined) return refuse('which is not known here')
  if (user.uid === 0 || user.gid === 0) return refuse('which is root or in the group of root')
  if (user.uid > 0xfffffffd || user.gid > 0xfffffffd) return refuse('which is no number of a user')
  return { uid: user.uid, gid: user.gid }
}

function idOf(flag: '-u' | '-g', name: string): number | undefined {
  try {
    const text = execFileSync('id', [flag, name], {
      env: LOOKUP_ENV,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: LOOKUP_TIMEOUT_MS,
    })
    return /^\d+\s*$/.test(text) ? Number(text) : undefined
  } catch {
    // id ends with 1 for a name that it does not know.
    return undefined
  }
}

/** What an earlier start noted; null when there is no such note by root, the only one whose word counts here. */
function readNoted(file: string): CommandUser | null {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.uid !== 0) return null
  const { uid } = JSON.parse(readFileSync(file, 'utf8')) as { uid?: unknown }
  if (typeof uid === 'number' && RANGES.some(({ first, count }) => uid >= first && uid < first + count)) {
    return { uid, gid: uid }
  }
  throw new AppError('sandbox_unavailable', `${file} names no user that commands may have: remove the file`)
}

/** Writes the note in one step; the same for all processes that do so at once. */
function note(file: string, user: CommandUser): CommandUser {
  const fresh = `${file}.${process.pid}`
  writeFileSync(fresh, JSON.stringify(user), { mode: 0o644 })
  try {
    linkSync(fresh, file)
    return user
  } catch (error) {
    const noted = readNoted(file)
    if (noted === null) throw error
    return noted
  } finally {
    unlinkSync(fresh)
  }
}

/** A number that is mapped here and that neither an account, a process nor a neighbour's directory has. */
function pick(dir: string): CommandUser {
  const range = RANGES.find(({ first, count }) => isMapped(first, count))
  if (range !== undefined) {
    const start = createHash('sha256').update(dir).digest().readUInt32BE(0)
    const taken = usedNumbers()
    for (let i = 0; i < MAX_TRIES; i++) {
      const uid = range.first + ((start + i) % range.count)
      if (!taken.has(uid) && idOf('-u', String(uid)) === undefined) return { uid, gid: uid }
    }
  }
  throw new AppError(
    'sandbox_unavailable',
    'Keelson was started by root and finds no free user number for commands: ' +
      'set KEELSON_SANDBOX_USER to an unprivileged user of its own, or start Keelson by an ordinary user',
  )
}

/** Whether all these numbers exist in the user namespace of this process. */
function isMapped(first: number, count: number): boolean {
  return ['uid_map', 'gid_map'].every((name) =>
    readFileSync(`/proc/self/${name}`, 'utf8')
      .trim()
      .split('\n')
      .some((line) => {
        const [inner = 0, , length = 0] = line.trim().split(/\s+/).map(Number)
        return inner <= first && first + count <= inner + length
      }),
  )
}

function usedNumbers(): Set<number> {
  const used = new Set<number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      used.add(statSync(`/proc/${name}`).uid)
    } catch {
      // The process ended in between.
    }
  }
  return used
}
