import { findProgram } from './find-program.mjs'
import { announced } from './log.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'

/** Whether this process already refreshed apt's lists: once per start is enough. */
let listsAreFresh = false

/**
 * Whether system packages may be installed here: only by root, only on Debian and its relatives, and never against
 * `KEELSON_NO_SYSTEM_INSTALL=1`.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {boolean}
 */
export function maySystemInstall(env) {
  return (
    process.getuid?.() === 0 && findProgram('apt-get', env) !== undefined && env['KEELSON_NO_SYSTEM_INSTALL'] !== '1'
  )
}

/**
 * Installs Debian packages, announcing it first. Call it only when `maySystemInstall`.
 *
 * @param {readonly string[]} packages
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 */
export async function installSystemPackages(packages, env, log) {
  const asked = { env, moreEnv: { DEBIAN_FRONTEND: 'noninteractive' } }
  log.info('Running as root on Debian; KEELSON_NO_SYSTEM_INSTALL=1 would keep Keelson from installing packages.')
  await announced(log, `Installing system packages (apt-get install ${packages.join(' ')})`, async () => {
    if (!listsAreFresh) {
      const updated = await runCommand('apt-get', ['update', '-q'], { ...asked, timeoutMs: 5 * 60_000 })
      if (updated.code === 0) listsAreFresh = true
      else log.warn('apt-get update failed; trying with the lists that are here.')
    }
    const args = ['install', '-y', '-q', '--no-install-recommends', ...packages]
    const installed = await runCommand('apt-get', args, { ...asked, timeoutMs: 10 * 60_000 })
    if (installed.code !== 0) {
      throw new StartError(`apt-get could not install ${packages.join(', ')}.`, { detail: lastLines(installed.output) })
    }
  })
}
