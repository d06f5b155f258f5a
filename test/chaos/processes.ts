/** A look at the machine's processes through /proc: who was started by whom, and how large they are. */

import { readdirSync, readFileSync } from 'node:fs'
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

/** The process that runs the commands of an instance, which outlives its workers. */
export function findRunner(home: string): Found | undefined {
  return listProcesses().find(({ command }) => command.includes(`"dir":"${home}/sandboxes"`))
}

/** Commands of the instance that run right now: the outermost process of each. */
export function findCommands(home: string): Found[] {
  const all = listProcesses()
  const runner = all.find(({ command }) => command.includes(`"dir":"${home}/sandboxes"`))
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
