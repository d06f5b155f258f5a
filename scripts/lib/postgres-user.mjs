import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { findProgram } from './find-program.mjs'
import { StartError } from './start-error.mjs'

/**
 * Who Postgres runs as. It refuses to run as root, so root lends it another user.
 *
 * @typedef {object} PostgresUser
 * @property {{ uid: number, gid: number } | undefined} user undefined: the user who runs this
 * @property {readonly string[]} prefix a command that must stand before Postgres' own, usually empty
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @param {readonly string[]} paths files and directories that Postgres must be able to reach
 * @returns {PostgresUser}
 */
export function choosePostgresUser(env, log, paths) {
  if (process.getuid?.() !== 0) return { user: undefined, prefix: [] }
  const user = findUser('postgres') ?? createUser(env, log) ?? findUser('nobody')
  if (user === undefined)
    throw new StartError('Postgres must not run as root, and no other user could be found for it.')
  const closed = paths.flatMap(ancestors).find((directory) => !canPass(directory, user))
  if (closed === undefined) return { user, prefix: [] }
  return { user: undefined, prefix: passingPrefix(env, user, closed) }
}

/**
 * Below a directory that is closed to others, such as /root, the user gets the one extra right to pass through
 * directories, and nothing else of root.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {{ uid: number, gid: number }} user
 * @param {string} closed
 * @returns {readonly string[]}
 */
function passingPrefix(env, user, closed) {
  const setpriv = findProgram('setpriv', env)
  const right = mayRaise(2) ? 'dac_read_search' : mayRaise(1) ? 'dac_override' : undefined
  if (setpriv === undefined || right === undefined) {
    throw new StartError(
      `Postgres must not run as root, and the user that it would run as cannot pass through ${closed}: ` +
        'move the checkout to a directory that others may pass, run as an ordinary user, or set DATABASE_URL.',
    )
  }
  return [
    setpriv,
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    `--inh-caps=-all,+${right}`,
    `--ambient-caps=-all,+${right}`,
    `--bounding-set=-all,+${right}`,
    // Without this bit, access(2), by which initdb looks for its companions, would leave the right out of account.
    '--securebits=+no_setuid_fixup',
    '--no-new-privs',
  ]
}

/**
 * @param {string} name
 * @returns {{ uid: number, gid: number } | undefined}
 */
function findUser(name) {
  const uid = spawnSync('id', ['-u', name], { encoding: 'utf8' })
  const gid = spawnSync('id', ['-g', name], { encoding: 'utf8' })
  if (uid.status !== 0 || gid.status !== 0) return undefined
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {{ uid: number, gid: number } | undefined}
 */
function createUser(env, log) {
  const useradd = findProgram('useradd', env)
  if (env['KEELSON_NO_SYSTEM_INSTALL'] === '1' || useradd === undefined) return undefined
  log.info('Postgres must not run as root: creating the system user "postgres" for it')
  spawnSync(useradd, ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'])
  return findUser('postgres')
}

/**
 * @param {string} path
 * @returns {string[]}
 */
function ancestors(path) {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestors(parent), parent]
}

/**
 * @param {string} directory
 * @param {{ uid: number, gid: number }} user
 * @returns {boolean}
 */
function canPass(directory, user) {
  const { mode, uid, gid } = statSync(directory)
  if (uid === user.uid) return (mode & 0o100) !== 0
  if (gid === user.gid) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}

/**
 * @param {number} capability its number in capabilities(7)
 * @returns {boolean}
 */
function mayRaise(capability) {
  try {
    const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return mask !== undefined && (BigInt(`0x${mask}`) & (1n << BigInt(capability))) !== 0n
  } catch {
    return false
  }
}
