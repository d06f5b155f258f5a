/**
 * Commands that another runner of the same base directory is the parent of: one of other settings or of an earlier
 * version, which finishes what it runs. Their state is in their files, and their end is written by their own runner.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecState } from '../types.ts'
import { isAlive } from './identity.ts'
import { NEW_PREFIX, readPid, readState, readTaskId, requireState } from './job-files.ts'
import { jobDir, type SandboxPaths } from './layout.ts'

const FILE_POLL_MS = 50
const KILL_WAIT_MS = 10_000

/** Waits by the files until there is output beyond `cursor`, the command has ended, or `signal` fires. */
export async function waitByFiles(
  dir: string,
  execId: string,
  cursor: number,
  signal: AbortSignal,
): Promise<ExecState> {
  for (;;) {
    const state = requireState(dir, execId)
    if (state.status !== 'running' || state.bytes > cursor || signal.aborted) return state
    await sleep(FILE_POLL_MS)
  }
}

/** Kills a command by its pid and waits, at most 10 s, until its end is written. Safe to repeat. */
export async function killByPid(dir: string, execId: string): Promise<ExecState> {
  const command = readPid(dir)
  if (command !== null && isAlive(command)) kill(command.pid)
  const deadline = Date.now() + KILL_WAIT_MS
  for (;;) {
    const state = requireState(dir, execId)
    if (state.status !== 'running' || Date.now() > deadline) return state
    await sleep(FILE_POLL_MS)
  }
}

/** The ids of commands of a sandbox, of one task when it is named, that run by their files. */
export function runningByFiles(paths: SandboxPaths, taskId: string | null): string[] {
  return readdirSync(paths.jobs).filter((execId) => {
    if (execId.startsWith(NEW_PREFIX)) return false
    const dir = jobDir(paths, execId)
    return (taskId === null || readTaskId(dir) === taskId) && readState(dir)?.status === 'running'
  })
}

function kill(pid: number): void {
  try {
    // Without a namespace the command leads a process group of its own, and its children are in it.
    process.kill(leadsGroup(pid) ? -pid : pid, 'SIGKILL')
  } catch {
    // ESRCH: it has ended by itself in between.
  }
}

function leadsGroup(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] === String(pid)
  } catch {
    return false // it has ended
  }
}
