import { statfsSync } from 'node:fs'
import path from 'node:path'
import type { RunningCommand } from './command.ts'
import { measureWorkspace } from './files.ts'
import { inMib, type Limits, overMemory, overProcesses } from './limits.ts'
import { measureTree } from './process-tree.ts'

const CHECK_MS = 50
const DISK_CHECK_MS = 1_000
/** Walking a workspace takes at most about a twentieth of the time, and happens at most this often. */
const WORKSPACE_CHECK_MS = 3_000
const WORKSPACE_REST_FACTOR = 20

/**
 * Ends commands that use more processes, memory or disk than they may. It looks every 50 ms: a fork bomb or an allocator
 * gets somewhat beyond its limit, then the whole namespace dies. Returns the function that stops it.
 */
export function watchCommands(
  commands: () => readonly RunningCommand[],
  options: { readonly dir: string; readonly limits: Limits },
): () => void {
  const { dir, limits } = options
  const trees = setInterval(() => {
    for (const command of commands()) checkTree(command, limits)
  }, CHECK_MS)
  const disk = setInterval(() => {
    const all = commands()
    if (all.length === 0 || freeBytes(dir) >= limits.minFreeDiskBytes) return
    const reason = 'It was stopped because the disk under the workspaces is almost full.'
    for (const command of all) command.end({ status: 'killed', reason })
  }, DISK_CHECK_MS)
  let workspaces: NodeJS.Timeout | null = null
  const later = (delayMs: number) => {
    workspaces = setTimeout(() => {
      const startedAt = Date.now()
      checkWorkspaces(commands(), limits)
        .catch(() => undefined) // a workspace that is just being destroyed; the next round looks again
        .finally(() => {
          if (workspaces !== null) later(Math.max(WORKSPACE_CHECK_MS, (Date.now() - startedAt) * WORKSPACE_REST_FACTOR))
        })
    }, delayMs)
  }
  later(WORKSPACE_CHECK_MS)
  return () => {
    clearInterval(trees)
    clearInterval(disk)
    if (workspaces !== null) clearTimeout(workspaces)
    workspaces = null
  }
}

function freeBytes(dir: string): number {
  const stat = statfsSync(dir)
  return stat.bavail * stat.bsize
}

function checkTree(command: RunningCommand, limits: Limits): void {
  if (command.isCounted) return command.checkCgroup()
  if (command.firstPid === 0) return
  const use = measureTree(command.firstPid, limits.maxProcesses)
  if (use === null) return
  if (use.processes > limits.maxProcesses) {
    command.end({ status: 'killed', reason: overProcesses(limits) })
  } else if (use.memoryBytes > limits.memoryBytes) {
    command.end({ status: 'oom', reason: overMemory(limits) })
  }
}

async function checkWorkspaces(all: readonly RunningCommand[], limits: Limits): Promise<void> {
  const byWorkspace = new Map<string, RunningCommand[]>()
  for (const command of all) {
    const workspace = path.join(command.dir, '../../workspace')
    byWorkspace.set(workspace, [...(byWorkspace.get(workspace) ?? []), command])
  }
  for (const [workspace, running] of byWorkspace) {
    const { sizeBytes } = await measureWorkspace({ workspace, staging: '' })
    if (sizeBytes <= limits.workspaceBytes) continue
    const reason = `It was stopped because the workspace holds more than ${inMib(limits.workspaceBytes)} MiB.`
    for (const command of running) command.end({ status: 'killed', reason })
  }
}
