import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { toolEnv } from './child-env.mjs'
import { findProgram } from './find-program.mjs'
import { StartError } from './start-error.mjs'

/**
 * Who Postgres runs as. It refuses to run as root, so root lends it another user.
 *
 * @typedef {object} PostgresUser
 * @property {{ uid: number, gid: number } | undefined} user undefined: the user who runs this
 * @property {readonly string[]} prefix a command that must stand before Postgres' own and changes to `user`; usually empty
 * @property {(path: string) => string} seenAs the path by which Postgres sees one of ours
 */

/**
 * The directories that Postgres needs: its programs, and that of its data.
 *
 * @typedef {{ programs: string, data: string }} Places
 */

/**
 * Chooses it. Throws a StartError when root has no user for Postgres, or none that can reach the directories.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @param {Places} places both exist
 * @returns {PostgresUser}
 */
export function choosePostgresUser(env, log, places) {
  const seenAs = (/** @type {string} */ path) => path
  if (process.getuid?.() !== 0) return { user: undefined, prefix: [], seenAs }
  const user = findUser('postgres') ?? createUser(env, log) ?? findUser('nobody')
  if (user === undefined)
    throw new StartError('Postgres must not run as root, and no other user could be found for it.')
  const all = [...ancestors(places.programs), places.programs, ...ancestors(places.data), places.data]
  const closed = all.find((directory) => !canPass(directory, user))
  return closed === undefined ? { user, prefix: [], seenAs } : placedElsewhere(env, user, places, closed)
}

/** One of these becomes, for Postgres alone, an empty file system with its two directories. */
const STAGES = ['/mnt', '/srv', '/media']

// "$0" is the stage. The mounts are this process's own and end with it. No capability goes on to Postgres.
const STAGE = `set -e
mount -t tmpfs -o mode=755,size=1m,nosuid,nodev none "$0"
mkdir -m 755 "$0/programs" "$0/data"
mount --bind "$1" "$0/programs"
mount --bind "$2" "$0/data"
setpriv=$3 uid=$4 gid=$5
shift 5
exec "$setpriv" --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all --ambient-caps=-all --bounding-set=-all \\
  --no-new-privs "$@"`

/**
 * Below a directory that is closed to others, such as /root, Postgres sees its directories at another place, in a mount
 * namespace of its own. It is given no right to read what others may not.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {{ uid: number, gid: number }} user
 * @param {Places} places
 * @param {string} closed
 * @returns {PostgresUser}
 */
function placedElsewhere(env, user, places, closed) {
  const [unshare, setpriv] = [findProgram('unshare', env), findProgram('setpriv', env)]
  const stage = STAGES.find(
    (path) => existsSync(path) && Object.values(places).every((place) => !isWithin(place, path)),
  )
  if (unshare === undefined || setpriv === undefined || stage === undefined || !mayMount(unshare, stage)) {
    throw new StartError(
      `Postgres must not run as root, and the user that it would run as cannot pass through ${closed}: move the ` +
        'checkout and KEELSON_HOME to directories that others may pass (such as /srv/keelson), run as an ordinary user, ' +
        'or set DATABASE_URL.',
    )
  }
  return {
    user,
    prefix: [
      ...`${unshare} --mount --propagation private /bin/sh -c`.split(' '),
      STAGE,
      stage,
      places.programs,
      places.data,
      setpriv,
      `${user.uid}`,
      `${user.gid}`,
    ],
    seenAs(path) {
      if (isWithin(path, places.data)) return join(stage, 'data', relative(places.data, path))
      return isWithin(path, places.programs) ? join(stage, 'programs', relative(places.programs, path)) : path
    },
  }
}

/**
 * @param {string} unshare
 * @param {string} stage
 * @returns {boolean} whether this process may mount, which root in a container often may not
 */
function mayMount(unshare, stage) {
  const tried = ['--mount', '--propagation', 'private', 'mount', '-t', 'tmpfs', 'none', stage]
  return spawnSync(unshare, tried, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } }).status === 0
}

/**
 * @param {string} path
 * @param {string} directory
 * @returns {boolean}
 */
function isWithin(path, directory) {
  return path === directory || path.startsWith(`${directory}/`)
}

/**
 * @param {string} name
 * @returns {{ uid: number, gid: number } | undefined}
 */
function findUser(name) {
  const uid = spawnSync('id', ['-u', name], { encoding: 'utf8', env: toolEnv(process.env) })
  const gid = spawnSync('id', ['-g', name], { encoding: 'utf8', env: toolEnv(process.env) })
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
  spawnSync(useradd, ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'], {
    env: toolEnv(env),
  })
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
