/** A look at the machine's processes through /proc: who was started by whom, and how large they are. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { identify } from '../../scripts/lib/process-identity.mjs'

export interface Found {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** All living processes; unreaped remains are left out. */
export function listProcesses(): Found[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const found = Number.isInteger(pid) ? readProcess(pid) : null
    return found === null ? [] : [found]
  })
}

function readProcess(pid: number): Found | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z' || state === 'X') return null
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return { pid, parent: Number(parent), command }
  } catch {
    // It ended while it was looked at.
    return null
  }
}

/**
 * The process that runs the commands of an instance, which outlives its workers. The directory that it names may be a view of
 * its own, in a mount namespace where the instance's lies elsewhere: it is the same directory all the same.
 */
export function findRunner(home: string, all: readonly Found[] = listProcesses()): Found | undefined {
  const wanted = idOf(join(home, 'sandboxes'))
  if (wanted === null) return undefined
  return all.find(({ pid, command }) => {
    // A probe is told the same directory, and runs nothing of a task.
    if (command.includes('"askIdentity"')) return false
    const dir = /"dir":"([^"]+)"/.exec(command)?.[1]
    return dir !== undefined && idOf(`/proc/${pid}/root${dir}`) === wanted
  })
}

/** Device and inode; null for what is not there. */
function idOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    // The process ended while it was looked at, or is another user's.
    return null
  }
}

/** Commands of the instance that run right now: the outermost process of each. */
export function findCommands(home: string): Found[] {
  const all = listProcesses()
  const runner = findRunner(home, all)
  return runner === undefined ? [] : all.filter(({ parent }) => parent === runner.pid)
}

export interface Size {
  readonly rssMiB: number
  readonly handles: number
}

/** Null when the process is gone. */
export function measure(pid: number): Size | null {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return { rssMiB: Math.round((pages * 4096) / 1024 / 1024), handles: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return null
  }
}

/** Sends a signal unless the process is gone; true when it was sent. */
export function sendTo(pid: number, signal: NodeJS.Signals): boolean {
  if (identify(pid) === undefined) return false
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
