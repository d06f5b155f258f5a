import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { runsOwnPostgres, runsOwnRedis, runsOwnTemporal } from './external-stores.mjs'
import { findProgram } from './find-program.mjs'
import { isCheckout, ROOT } from './paths.mjs'
import { findPip } from './pip.mjs'
import { isPortFree } from './ports.mjs'
import { installedPostgres } from './postgres-binaries.mjs'
import { readReadiness } from './readiness.mjs'
import { runCommand } from './run-command.mjs'
import { readRunningState } from './state.mjs'
import { maySystemInstall } from './system-packages.mjs'
import { installLine, TOOLS } from './tools.mjs'
import { typed } from './typed.mjs'

const VERSION_TIMEOUT_MS = 10_000
const DEFAULT_PORT = 3000

/** @typedef {import('../../src/cli/doctor/diagnosis.ts').Diagnosis} Diagnosis */

/**
 * Looks at what a start needs of this host: Node, the user, programs, the stores that it would run itself, its port, and
 * what runs already. Installs and changes nothing.
 *
 * @param {{ home: string, settings: NodeJS.ProcessEnv, version: string }} options
 * @returns {Promise<Diagnosis[]>}
 */
export async function inspectHost({ home, settings, version }) {
  const running = readRunningState(home)
  return [
    found('keelson', `${version}, ${isCheckout() ? 'a checkout' : 'installed'} at ${ROOT}`),
    found('node', `${process.versions.node} at ${process.execPath}`),
    ...inspectUser(settings),
    ...(await Promise.all(toolsHere().map((tool) => inspectTool(tool, settings)))),
    ...(runsOwnPostgres(settings) ? [inspectPostgres()] : []),
    ...(runsOwnRedis(settings) ? [await inspectRedis(join(home, 'bin'), settings)] : []),
    ...(runsOwnTemporal(settings) ? [await inspectTemporal(join(home, 'bin'), settings)] : []),
    ...(await inspectInstance(running, settings)),
  ]
}

/**
 * @param {string} name
 * @param {string} detail
 * @returns {Diagnosis}
 */
function found(name, detail) {
  return { name, state: 'ok', detail }
}

/**
 * @param {NodeJS.ProcessEnv} settings
 * @returns {Diagnosis[]}
 */
function inspectUser(settings) {
  const uid = process.getuid?.()
  if (uid === 0) return [found('user', 'root; commands and Postgres run as others')]
  try {
    return [found('user', userInfo().username)]
  } catch {
    if (!runsOwnPostgres(settings)) return [found('user', `${uid}, without a name`)]
    return [
      {
        name: 'user',
        state: 'fail',
        detail: `user ${uid} has no name here, and Postgres refuses such a one`,
        fix: 'give it a line in /etc/passwd, or set DATABASE_URL',
      },
    ]
  }
}

function toolsHere() {
  return TOOLS.filter((tool) => process.platform === 'linux' || !tool.linuxOnly)
}

/**
 * @param {(typeof TOOLS)[number]} tool
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Diagnosis>}
 */
async function inspectTool(tool, env) {
  const path = findProgram(tool.program, env)
  if (path !== undefined) return found(tool.program, `${await versionOf(path, env)} at ${path}`)
  const byStart = maySystemInstall(env) ? `; ${typed('start')} does it by itself` : ''
  return {
    name: tool.program,
    state: 'fail',
    detail: 'is not on the PATH; the sandbox and its tools call it',
    fix: `${installLine([tool.package])}${byStart}`,
  }
}

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} the first version number that it prints
 */
async function versionOf(path, env) {
  const { output } = await runCommand(path, [path.endsWith('socat') ? '-V' : '--version'], {
    env,
    timeoutMs: VERSION_TIMEOUT_MS,
  })
  return /\d+\.\d+(\.\d+)*/.exec(output)?.[0] ?? 'unknown version'
}

/** @returns {Diagnosis} */
function inspectPostgres() {
  try {
    return found('postgres', `our own, at ${installedPostgres()}`)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { name: 'postgres', state: 'fail', detail, fix: 'set DATABASE_URL to a Postgres 15 or newer' }
  }
}

/**
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Diagnosis>}
 */
async function inspectRedis(binDirectory, env) {
  const kept = join(binDirectory, 'redis-server')
  const path =
    findProgram('redis-server', env) ?? findProgram('valkey-server', env) ?? (existsSync(kept) ? kept : undefined)
  if (path !== undefined) return found('redis', `our own, ${await versionOf(path, env)} at ${path}`)
  return toBeGot('redis', maySystemInstall(env) || (await canUsePip(env)), installLine(['redis-server']), 'REDIS_URL')
}

/**
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Diagnosis>}
 */
async function inspectTemporal(binDirectory, env) {
  const kept = join(binDirectory, 'temporal')
  const path = findProgram('temporal', env) ?? (existsSync(kept) ? kept : undefined)
  if (path !== undefined) return found('temporal', `our own, ${await versionOf(path, env)} at ${path}`)
  const canBe = maySystemInstall(env) || (await findPip(env)) !== undefined
  return toBeGot('temporal', canBe, installLine(['python3-pip']), 'TEMPORAL_ADDRESS')
}

/** @param {NodeJS.ProcessEnv} env */
async function canUsePip(env) {
  return process.platform === 'linux' && process.arch === 'x64' && (await findPip(env)) !== undefined
}

/**
 * @param {string} name
 * @param {boolean} canBe whether a start can get it by itself
 * @param {string} line
 * @param {string} setting
 * @returns {Diagnosis}
 */
function toBeGot(name, canBe, line, setting) {
  return canBe
    ? { name, state: 'warn', detail: 'is not here yet', fix: `${typed('start')} gets it; or set ${setting}` }
    : { name, state: 'fail', detail: 'is not here and cannot be got', fix: `${line}; or set ${setting}` }
}

/**
 * @param {import('./state.mjs').State | undefined} running
 * @param {NodeJS.ProcessEnv} settings
 * @returns {Promise<Diagnosis[]>}
 */
async function inspectInstance(running, settings) {
  if (running === undefined) return [found('instance', 'does not run'), await inspectPort(settings)]
  const { ready, parts, sandbox } = await readReadiness(running)
  const isWell = ready && sandbox?.ok !== false
  if (isWell) return [found('instance', `runs at ${running.url}`)]
  const detail = Object.entries(parts).map(([name, text]) => `${name} ${text}`)
  const fix = `${typed('status')} tells more, and so do the logs beside its data`
  return [
    { name: 'instance', state: 'fail', detail: `runs at ${running.url} and is not ready: ${detail.join(', ')}`, fix },
  ]
}

/**
 * @param {NodeJS.ProcessEnv} settings
 * @returns {Promise<Diagnosis>}
 */
async function inspectPort(settings) {
  const host = settings['HOST'] ?? '127.0.0.1'
  const named = settings['PORT']
  const port = Number(named ?? DEFAULT_PORT)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return { name: 'port', state: 'fail', detail: `PORT is not a port number: ${named}`, fix: 'set PORT to 0 to 65535' }
  }
  if (port === 0 || (await isPortFree(port, host))) return found('port', `${port} at ${host} is free`)
  if (named === undefined) return found('port', `${port} at ${host} is taken; the next free one is used`)
  return { name: 'port', state: 'fail', detail: `${port} at ${host} is taken`, fix: 'set PORT to another, or to none' }
}
