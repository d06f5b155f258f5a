import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { GENERATED_ETC, type HardLimits } from './argv.ts'
import { isAlive } from './identity.ts'
import { NEW_PREFIX, readPid, readState, writeWhole } from './job-files.ts'
import { seccompProgram } from './seccomp.ts'

/** Files under the base directory that every command of the runner uses. */
export interface SharedFiles {
  readonly etcDir: string
  readonly seccompFile: string
}

/** Writes the generated /etc and the seccomp program. Safe to repeat, also while commands start: files are replaced whole. */
export function writeSharedFiles(dir: string): SharedFiles {
  const etcDir = path.join(dir, 'etc')
  mkdirSync(etcDir, { recursive: true, mode: 0o755 })
  for (const [name, text] of Object.entries(GENERATED_ETC)) {
    const file = path.join(etcDir, name)
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeWhole(file, text)
  }
  const seccompFile = path.join(dir, 'seccomp.bpf')
  const program = seccompProgram()
  if (program === null) rmSync(seccompFile, { force: true })
  else writeWhole(seccompFile, program)
  return { etcDir, seccompFile }
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

/**
 * Name of the abstract socket that only one runner of a base directory can hold. The kernel frees it with the process, so
 * it is never stale; the secret in it keeps other users of the host from taking it first.
 */
export function lockName(dir: string): string {
  const file = path.join(dir, 'runner-lock')
  if (!existsSync(file)) {
    const fresh = `${file}.${randomBytes(6).toString('hex')}`
    writeFileSync(fresh, randomBytes(24).toString('hex'), { mode: 0o600 })
    try {
      linkSync(fresh, file)
    } catch (error) {
      if (!existsSync(file)) throw error
    } finally {
      unlinkSync(fresh)
    }
  }
  return `\0keelson-runner-${readFileSync(file, 'utf8').trim()}`
}

/**
 * Clears up after a runner that was killed: half-made job directories go, commands that outlived it are killed, and their
 * end is recorded. Called while the lock is held and before anything is started.
 */
export function sweepJobs(jobsDir: string): void {
  for (const name of readdirSync(jobsDir)) {
    const dir = path.join(jobsDir, name)
    if (name.startsWith(NEW_PREFIX)) rmSync(dir, { recursive: true, force: true })
    else if (!existsSync(path.join(dir, 'exit.json'))) killOrphan(dir)
  }
}

function killOrphan(dir: string): void {
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
