import { execFile } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { promisify } from 'node:util'

const REMOVE_TIMEOUT_MS = 120_000
/** What the tools say of a tree with many locked directories is cut here. */
const MAX_COMPLAINT_BYTES = 256 * 1024
const ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' }

/**
 * Removes a tree that no command can reach any more, whatever a command left in it: paths longer than the kernel takes at
 * once, directories that their owner may not enter, any number of names. Child processes do the work, since they go from
 * directory to directory and this process serves others meanwhile. Throws when something is left or after two minutes a
 * step. Safe to repeat.
 */
export async function removeTree(tree: string): Promise<void> {
  const failure = await run('rm', ['-rf', '--one-file-system', '--', tree])
  if (lstatSync(tree, { throwIfNoEntry: false }) === undefined) return
  // A command took away its owner's rights to a directory.
  await run('chmod', ['-R', 'u+rwX', '--', tree])
  const second = await run('rm', ['-rf', '--one-file-system', '--', tree])
  if (lstatSync(tree, { throwIfNoEntry: false }) === undefined) return
  throw new Error(`${tree} could not be removed whole`, { cause: second ?? failure })
}

/** The failure, null when there was none: what counts is what is left on the disk afterwards. */
async function run(command: string, args: readonly string[]): Promise<unknown> {
  try {
    await promisify(execFile)(command, args, {
      env: ENV,
      timeout: REMOVE_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_COMPLAINT_BYTES,
    })
    return null
  } catch (error) {
    return error
  }
}
