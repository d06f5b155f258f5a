import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { makePrivateDirectory, startChild, waitUntilReady } from './child.mjs'
import { plainEnv } from './child-env.mjs'
import { SILENT } from './log.mjs'
import { freePort } from './ports.mjs'
import { findPostgresBinaries } from './postgres-binaries.mjs'
import { choosePostgresUser } from './postgres-user.mjs'
import { identify } from './process-identity.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { keptSecret } from './secrets.mjs'
import { StartError } from './start-error.mjs'
import { stopProcess } from './stop-process.mjs'

const ROLE = 'keelson'
const READY_TIMEOUT_MS = 120_000

/**
 * @typedef {object} StoreOptions
 * @property {string} home directory under which the store keeps its own directory
 * @property {NodeJS.ProcessEnv} env
 * @property {number} [port] where it must listen; a free one when absent
 * @property {import('./log.mjs').Log} [log]
 * @property {import('./process-ledger.mjs').ProcessLedger} [ledger]
 * @property {AbortSignal} [signal] ends the start
 */

/** @typedef {import('./child.mjs').Child & { url: string, port: number }} RunningPostgres */

/**
 * Starts Postgres on the loopback interface with the data in `<home>/postgres`, which is made when it is new, and
 * returns when the database `keelson` answers. Started again after any end, it recovers what was committed: fsync is
 * on. Rejects with a StartError, leaving nothing running.
 *
 * @param {StoreOptions} options
 * @returns {Promise<RunningPostgres>}
 */
export async function startPostgres(options) {
  const binaries = findPostgresBinaries()
  const directory = join(options.home, 'postgres')
  makePrivateDirectory(options.home)
  makePrivateDirectory(directory)
  const runAs = choosePostgresUser(options.env, options.log ?? SILENT, [binaries.postgres, join(directory, 'data')])
  const password = keptSecret(join(directory, 'password'))
  const data = join(directory, 'data')
  if (!existsSync(data)) await initialise({ directory, data, binaries, runAs, password, env: options.env })
  await clearLeftLock(data)
  const port = options.port ?? (await freePort())
  const child = await startChild({
    name: 'postgres',
    ...asUser(runAs, binaries.postgres, ['-D', data, '-p', String(port), ...settings()]),
    env: plainEnv(options.env),
    cwd: data,
    logFile: join(options.home, 'logs', 'postgres.log'),
    ledger: options.ledger,
  })
  const url = `postgresql://${ROLE}:${password}@127.0.0.1:${port}`
  await waitUntilReady(child, () => isDatabaseReady(url), { timeoutMs: READY_TIMEOUT_MS, signal: options.signal })
  return { ...child, url: `${url}/${ROLE}`, port }
}

/** @returns {string[]} */
function settings() {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    fsync: 'on',
    log_min_messages: 'warning',
    log_checkpoints: 'off',
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/**
 * @param {import('./postgres-user.mjs').PostgresUser} runAs
 * @param {string} program
 * @param {readonly string[]} args
 * @returns {{ command: string, args: readonly string[], user: { uid: number, gid: number } | undefined }}
 */
function asUser(runAs, program, args) {
  const [command, ...rest] = [...runAs.prefix, program, ...args]
  return { command: command ?? program, args: rest, user: runAs.user }
}

/**
 * Makes the data directory beside its place and moves it there when it is whole, so that an interrupted attempt leaves
 * nothing that looks like data.
 *
 * @param {{ directory: string, data: string, binaries: import('./postgres-binaries.mjs').PostgresBinaries,
 *   runAs: import('./postgres-user.mjs').PostgresUser, password: string, env: NodeJS.ProcessEnv }} plan
 */
async function initialise(plan) {
  const unfinished = `${plan.data}.new`
  const passwordFile = join(plan.directory, 'password.initdb')
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { mode: 0o700 })
  writeFileSync(passwordFile, plan.password, { mode: 0o600 })
  const owner = plan.runAs.user ?? ownerOf(plan.runAs)
  if (owner !== undefined) for (const path of [unfinished, passwordFile]) chownSync(path, owner.uid, owner.gid)
  const { command, args, user } = asUser(plan.runAs, plan.binaries.initdb, [
    `--pgdata=${unfinished}`,
    `--username=${ROLE}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ])
  const result = await runCommand(command, args, { env: plainEnv(plan.env), cwd: '/', timeoutMs: 120_000, user })
  rmSync(passwordFile, { force: true })
  if (result.code !== 0) {
    throw new StartError('Postgres could not make its data directory.', { detail: lastLines(result.output) })
  }
  renameSync(unfinished, plan.data)
}

/**
 * @param {import('./postgres-user.mjs').PostgresUser} runAs
 * @returns {{ uid: number, gid: number } | undefined}
 */
function ownerOf(runAs) {
  const number = (/** @type {string} */ option) =>
    Number(runAs.prefix.find((word) => word.startsWith(option))?.slice(option.length))
  return runAs.prefix.length === 0 ? undefined : { uid: number('--reuid='), gid: number('--regid=') }
}

/**
 * Deals with a `postmaster.pid` that an earlier run left: a server that still lives on this directory is stopped, the
 * file of a dead one removed, since Postgres would trust it if another process had got its number meanwhile.
 *
 * @param {string} data
 */
async function clearLeftLock(data) {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  const identity = Number.isInteger(pid) && pid > 0 ? identify(pid) : undefined
  if (identity !== undefined && (await isServerOn(identity.pid, data))) await stopProcess(identity, 'postgres')
  rmSync(file, { force: true })
}

/**
 * @param {number} pid
 * @param {string} data
 * @returns {Promise<boolean>} whether that process is a Postgres server with this data directory
 */
async function isServerOn(pid, data) {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data)
    } catch {
      return false
    }
  }
  const { output } = await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: 5_000 })
  return output.includes(data)
}

/**
 * Whether the server takes queries, after making sure that our database exists.
 *
 * @param {string} url without a database
 * @returns {Promise<boolean>}
 */
async function isDatabaseReady(url) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    connectionString: `${url}/postgres`,
    connectionTimeoutMillis: 5_000,
    query_timeout: 20_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [ROLE])
    if (rowCount === 0) await client.query(`create database ${ROLE}`)
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
