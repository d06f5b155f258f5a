import { readFileSync } from 'node:fs'

/** Names one process for ever: a pid alone is reused, and start times repeat after a reboot. */
export interface ProcessIdentity {
  readonly pid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  readonly startTicks: string
  readonly bootId: string
}

let cachedBootId: string | undefined
let cachedSelf: ProcessIdentity | undefined

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return cachedBootId
}

/** State letter and start time of a process, or null when there is none. The name may hold spaces and brackets. */
function readStat(pid: number): { state: string; startTicks: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startTicks] = [fields[0], fields[19]]
    return state === undefined || startTicks === undefined ? null : { state, startTicks }
  } catch {
    // ENOENT and ESRCH both mean that the process is gone.
    return null
  }
}

/** The identity of a running process, or null when it is gone already. */
export function identify(pid: number): ProcessIdentity | null {
  if (pid === process.pid && cachedSelf !== undefined) return cachedSelf
  const stat = readStat(pid)
  const identity = stat === null ? null : { pid, startTicks: stat.startTicks, bootId: bootId() }
  if (pid === process.pid && identity !== null) cachedSelf = identity
  return identity
}

/** True while that very process is stopped (SIGSTOP, a debugger): it does nothing until somebody has it go on. */
export function isStopped(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid)
  return stat !== null && stat.startTicks === identity.startTicks && (stat.state === 'T' || stat.state === 't')
}

/** True while that very process runs; a zombie has ended and counts as gone. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false
  const stat = readStat(identity.pid)
  return stat !== null && stat.startTicks === identity.startTicks && stat.state !== 'Z' && stat.state !== 'X'
}
