import { spawnSync } from 'node:child_process'
import { existsSync, lchownSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { toolEnv } from './child-env.mjs'
import { StartError } from './start-error.mjs'

const CHOWN_TIMEOUT_MS = 10 * 60_000
/** What a start reads, writes and closes at the top of a home. Anything else there, such as lost+found, may be anybody's. */
const OURS = ['api-token', 'lock', 'logs', 'postgres', 'redis', 'sandboxes', 'temporal']
/** What of a home belongs to others than the one who starts it: Postgres' own user, and that of commands. */
const OF_OTHERS = ['sandboxes', 'postgres/data']

/**
 * Refuses a home that another user made, which only root can take over: parts of it could neither be read nor closed. Throws
 * a StartError that names the owner and the way out. Changes nothing; root is never refused.
 *
 * @param {string} home need not be there
 */
export function refuseForeignHome(home) {
  const uid = process.getuid?.()
  if (uid === undefined || uid === 0) return
  for (const path of [home, ...OURS.map((name) => join(home, name))]) {
    const owner = lstatSync(path, { throwIfNoEntry: false })?.uid
    if (owner === undefined || owner === uid) continue
    const whose = owner === 0 ? 'root' : `user ${owner}`
    throw new StartError(
      `${path} belongs to ${whose}, and this is user ${uid}: start Keelson as ${whose}, give the whole home to this user ` +
        `by "chown -R ${uid} ${home}" (by root, while nothing runs), or set KEELSON_HOME to another directory.`,
    )
  }
}

/**
 * Gives root a home that an ordinary user made, so that this user can put nothing in the place of what root then works with.
 * Postgres' and the sandboxes' directories are given to their users by whoever starts these. Does nothing where
 * the home is root's, or for anybody but root.
 * Safe to repeat and to interrupt: what leads to a directory is given last. Throws a StartError when it cannot be done.
 *
 * @param {string} home
 */
export function takeOverHome(home) {
  if (process.getuid?.() !== 0 || lstatSync(home).uid === 0) return
  const root = { uid: 0, gid: 0 }
  const postgres = join(home, 'postgres')
  const inPostgres = existsSync(postgres) ? readdirSync(postgres).map((name) => join('postgres', name)) : []
  for (const name of [...inPostgres, ...readdirSync(home)]) {
    const isOthers = name === 'postgres' || OF_OTHERS.some((each) => name.startsWith(each))
    if (isOthers) lchownSync(join(home, name), root.uid, root.gid)
    else giveTree(join(home, name), root)
  }
  lchownSync(home, root.uid, root.gid)
}

/**
 * Gives a directory and all in it to a user, the directory itself last, so that it is the user's only when all of it is.
 * Does nothing when it is the user's. Links are not followed. Safe to repeat and to interrupt; throws a StartError.
 *
 * @param {string} path
 * @param {{ uid: number, gid: number }} user
 */
export function giveTree(path, { uid, gid }) {
  const stat = lstatSync(path)
  if (stat.uid === uid && stat.gid === gid) return
  const result = spawnSync('chown', ['-hR', '--', `${uid}:${gid}`, path], {
    env: toolEnv(process.env),
    encoding: 'utf8',
    timeout: CHOWN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  if (result.status === 0) return
  throw new StartError(`${path} could not be given to user ${uid}.`, { detail: result.stderr })
}
