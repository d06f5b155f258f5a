/**
 * Directories of sandboxes that belong to somebody else than their commands are: those of a version that ran commands as
 * root, of another `KEELSON_SANDBOX_USER`, or of a copy that lost its owners. They are given to the user of commands, part by
 * part, each part's own directory last: whoever dies in the middle leaves a part that is not done, and is done again.
 */

import { execFile } from 'node:child_process'
import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { hitCrashPoint } from '../../shared/crash-points.ts'
import { AppError } from '../../shared/errors.ts'
import type { CommandUser } from './command-user.ts'
import { isMissing } from './job-files.ts'
import { type SandboxPaths, sandboxPaths } from './layout.ts'

const TAKE_OVER_TIMEOUT_MS = 5 * 60_000
const ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' }

/** What the runner itself keeps at the top, as this and earlier versions name it. */
const OF_RUNNER = /^(runner.*|etc|fifos.*|caches|services|certificates|seccomp.*\.bpf)$/

/** Whether a path exists and is this user's. */
export function belongsTo(file: string, user: CommandUser): boolean {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat !== undefined && stat.uid === user.uid && stat.gid === user.gid
}

/** Gives one path to a user, not following it when it is a link. Nothing there is fine. */
export function giveTo(user: CommandUser | null, file: string): void {
  if (user === null || belongsTo(file, user)) return
  hitCrashPoint('takeover.before_part')
  try {
    lchownSync(file, user.uid, user.gid)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/**
 * Gives the runner's own files, the directories that lead to the sandboxes and the records of commands to the user; not the
 * workspaces, see {@link takeOverWorkspace}. Safe to repeat and to interrupt; takes a moment when nothing is to be done.
 */
export async function takeOverDirectory(dir: string, user: CommandUser): Promise<void> {
  mkdirSync(path.join(dir, 'projects'), { recursive: true, mode: 0o700 })
  for (const name of readdirSync(dir)) {
    if (OF_RUNNER.test(name)) await giveTree(path.join(dir, name), user)
  }
  for (const id of sandboxIds(dir)) {
    const { base, jobs } = sandboxPaths(dir, id)
    if (!isWhole(jobs, user)) await giveTree(jobs, user)
    giveTo(user, base)
    giveTo(user, path.dirname(base))
  }
  giveTo(user, path.join(dir, 'projects'))
  chmodSync(dir, 0o700)
  giveTo(user, dir)
}

/** Gives a workspace to the user. Safe to repeat and to interrupt. Throws `sandbox_unreachable`, which may be retried. */
export async function takeOverWorkspace(paths: SandboxPaths, user: CommandUser): Promise<void> {
  if (belongsTo(paths.workspace, user)) return
  await giveTree(paths.workspace, user)
}

/** Whether the records of all commands are the user's; those that a former runner made last may not be. */
function isWhole(jobs: string, user: CommandUser): boolean {
  if (!existsSync(jobs)) return true
  if (readdirSync(jobs).every((name) => belongsTo(path.join(jobs, name), user))) return belongsTo(jobs, user)
  // Given back first, so that it is the user's again only when all of it is.
  lchownSync(jobs, 0, 0)
  return false
}

/** A child process does it, from directory to directory without following links, whatever lies there; the top comes last. */
async function giveTree(tree: string, user: CommandUser): Promise<void> {
  if (!existsSync(tree) || belongsTo(tree, user)) return
  hitCrashPoint('takeover.before_part')
  try {
    await promisify(execFile)('chown', ['-hR', '--', `${user.uid}:${user.gid}`, tree], {
      env: ENV,
      timeout: TAKE_OVER_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
  } catch (error) {
    // What a command or a neighbour took away meanwhile does not matter, be it all of the tree; the top tells whether all
    // was gone through.
    if (!existsSync(tree) || belongsTo(tree, user)) return
    throw new AppError('sandbox_unreachable', `${tree} could not be given to the user of commands (${user.uid})`, {
      cause: error,
    })
  }
}

function sandboxIds(dir: string): string[] {
  const projects = path.join(dir, 'projects')
  return readdirSync(projects).flatMap((projectId) =>
    readdirSync(path.join(projects, projectId)).map((generation) => `${projectId}/${generation}`),
  )
}
