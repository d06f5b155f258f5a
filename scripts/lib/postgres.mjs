import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { makePrivateDirectory, startChild, waitUntilReady } from './child.mjs'
import { plainEnv } from './child-env.mjs'
import { giveTree } from './home-owner.mjs'
import { SILENT } from './log.mjs'
import { freePort } from './ports.mjs'
import { findPostgresBinaries } from './postgres-binaries.mjs'
import { ADMIN_ROLE, APP_ROLE, DATABASE, prepareDatabase } from './postgres-roles.mjs'
import { choosePostgresUser } from './postgres-user.mjs'
import { identify } from './process-identity.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { keptSecret } from './secrets.mjs'
import { StartError } from './start-error.mjs'
import { stopProcess } from './stop-process.mjs'

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

/**
 * `url` is that of the role which owns the database; `adminUrl` that of the superuser, for tests that make databases.
 *
 * @typedef {import('./child.mjs').Child & { url: string, adminUrl: string, port: number }} RunningPostgres
 */

/**
 * Starts Postgres on the loopback interface with the data in `<home>/postgres`, which is made when it is new, and
 * returns when the database `keelson` answers to its owner, who is no superuser. Started again after any end, it recovers
 * what was committed: fsync is on. Rejects with a StartError, leaving nothing running.
 *
 * @param {StoreOptions} options
 * @returns {Promise<RunningPostgres>}
 */
export async function startPostgres(options) {
  const binaries = findPostgresBinaries(join(options.home, 'bin'))
  const directory = join(options.home, 'postgres')
  makePrivateDirectory(options.home)
  makePrivateDirectory(directory)
  const data = join(directory, 'data')
  const runAs = choosePostgresUser(options.env, options.log ?? SILENT, {
    programs: binaries.directory,
    data: directory,
  })
  const adminPassword = keptSecret(join(directory, 'password'))
  const appPassword = keptSecret(join(directory, 'app-password'))
  if (existsSync(data)) takeOverData(data, runAs)
  else await initialise({ directory, data, binaries, runAs, password: adminPassword, env: options.env })
  await clearLeftLock(data)
  const port = options.port ?? (await freePort())
  const child = await startChild({
    name: 'postgres',
    ...asUser(runAs, binaries.postgres, ['-D', runAs.seenAs(data), '-p', String(port), ...settings()]),
    env: plainEnv(options.env),
    cwd: '/',
    logFile: join(options.home, 'logs', 'postgres.log'),
    ledger: options.ledger,
  })
  await waitUntilReady(child, () => prepareDatabase({ port, adminPassword, appPassword }), {
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  })
  const at = `127.0.0.1:${port}/${DATABASE}`
  return {
    ...child,
    url: `postgresql://${APP_ROLE}:${appPassword}@${at}`,
    adminUrl: `postgresql://${ADMIN_ROLE}:${adminPassword}@${at}`,
    port,
  }
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
  const [command, ...rest] = [...runAs.prefix, runAs.seenAs(program), ...args]
  return { command: command ?? program, args: rest, user: runAs.prefix.length === 0 ? runAs.user : undefined }
}

/**
 * Postgres refuses a directory that is anybody else's or that others may read: that of a home which another user made, or of
 * a copy that lost owners and modes.
 *
 * @param {string} data
 * @param {import('./postgres-user.mjs').PostgresUser} runAs
 */
function takeOverData(data, { user }) {
  if (user !== undefined) giveTree(data, user)
  chmodSync(data, 0o700)
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
  const owner = plan.runAs.user
  if (owner !== undefined) for (const path of [unfinished, passwordFile]) chownSync(path, owner.uid, owner.gid)
  const { command, args, user } = asUser(plan.runAs, plan.binaries.initdb, [
    `--pgdata=${plan.runAs.seenAs(unfinished)}`,
    `--username=${ADMIN_ROLE}`,
    `--pwfile=${plan.runAs.seenAs(passwordFile)}`,
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
      // By identity and not by name: it may see the directory under another path.
      const [its, ours] = [statSync(`/proc/${pid}/cwd`), statSync(data)]
      return its.dev === ours.dev && its.ino === ours.ino
    } catch {
      return false
    }
  }
  const { output } = await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: 5_000 })
  return output.includes(data)
}
