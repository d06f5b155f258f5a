import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { writeOnce } from '../../shared/write-once.ts'
import { PNPM_SETTINGS } from '../network-env.ts'
import { GIT_IGNORE, type HardLimits, SANDBOX_HOME } from './argv.ts'
import { copyEtc } from './etc-copy.ts'
import type { HostView } from './host-view.ts'
import { isAlive } from './identity.ts'
import { NEW_PREFIX, readJobRunner, readPid, readState, writeWhole } from './job-files.ts'
import { seccompProgram } from './seccomp.ts'

const ABANDONED_MS = 60_000

/** Files under the base directory that every command of the runner uses. */
export interface SharedFiles {
  /** Directory with what git and pnpm find below a command's home. */
  readonly homeDir: string
  readonly seccompFile: string
  /** What commands see as /etc. */
  readonly etc: string
}

/**
 * Writes what commands see as /etc and in their home, and the seccomp program. Safe to repeat, also while commands start:
 * files are replaced whole.
 * `isCounted`: somebody counts System V shared memory, a cgroup or the watchdog.
 */
export function writeSharedFiles(dir: string, host: HostView, isCounted: boolean): SharedFiles {
  const homeDir = path.join(dir, 'etc')
  mkdirSync(homeDir, { recursive: true, mode: 0o755 })
  for (const [name, text] of Object.entries({
    [GIT_IGNORE.file]: GIT_IGNORE.text,
    [PNPM_SETTINGS.file]: PNPM_SETTINGS.text(SANDBOX_HOME),
  })) {
    const file = path.join(homeDir, name)
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeWhole(file, text)
  }
  const seccompFile = path.join(dir, isCounted ? 'seccomp.bpf' : 'seccomp-uncounted.bpf')
  const program = seccompProgram(process.arch, { smallSegments: !isCounted })
  if (program === null) rmSync(seccompFile, { force: true })
  else writeWhole(seccompFile, program)
  return { homeDir, seccompFile, etc: copyEtc(dir, host) }
}

/** The hard limits of this very process; a command's own limits cannot be above them. */
export function readHardLimits(): HardLimits {
  const text = readFileSync('/proc/self/limits', 'latin1')
  const hard = (name: string) => {
    const value = new RegExp(`^${name}\\s+\\S+\\s+(\\S+)`, 'm').exec(text)?.[1]
    return value === undefined || value === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(value)
  }
  return { openFiles: hard('Max open files'), processes: hard('Max processes') }
}

/** Its absence tells a runner that its directory was removed. Pure. */
export function lockFile(dir: string): string {
  return path.join(dir, 'runner-lock')
}

/**
 * Name of the abstract socket that only one runner of a base directory and an identity can hold. The kernel frees it with
 * the process, so it is never stale; the secret in it keeps other users of the host from taking it first.
 */
export function lockName(dir: string, identity: string): string {
  const secret = writeOnce(lockFile(dir), () => randomBytes(24).toString('hex'))
  return `\0keelson-runner-${secret.trim()}-${identity}`
}

/**
 * Clears up after a runner that was killed: half-made job directories go, commands that outlived it are killed, and their
 * end is recorded. What a runner of other settings still runs is left to it. Called while the lock is held and before
 * anything is started.
 */
export function sweepJobs(jobsDir: string): void {
  for (const name of readdirSync(jobsDir)) {
    const dir = path.join(jobsDir, name)
    if (name.startsWith(NEW_PREFIX)) removeAbandoned(dir)
    else if (!existsSync(path.join(dir, 'exit.json'))) killOrphan(dir)
  }
}

/** Making a job takes milliseconds; another runner may be at it. */
function removeAbandoned(dir: string): void {
  const stat = statSync(dir, { throwIfNoEntry: false })
  if (stat !== undefined && Date.now() - stat.mtimeMs > ABANDONED_MS) rmSync(dir, { recursive: true, force: true })
}

function killOrphan(dir: string): void {
  const runner = readJobRunner(dir)
  if (runner !== null && isAlive(runner)) return
  const command = readPid(dir)
  if (command === null || !isAlive(command)) {
    readState(dir) // writes `lost` down
    return
  }
  try {
    process.kill(command.pid, 'SIGKILL')
  } catch {
    // ESRCH: gone in between.
  }
}
