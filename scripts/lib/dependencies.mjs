import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { unlockPackage } from './lock-package.mjs'
import { announced } from './log.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { StartError } from './start-error.mjs'

const INSTALL_TIMEOUT_MS = 15 * 60_000

/**
 * Makes `node_modules` what the lockfile says, by `npm ci` when it differs; otherwise nothing happens. No package's
 * install script is run: two of them would download, and what a third would have done is made up for in
 * postgres-binaries.mjs.
 *
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 */
export async function ensureDependencies(root, env, log) {
  if (areDependenciesInstalled(root)) return
  unlockPackage(root)
  await announced(log, 'Installing the dependencies (npm ci)', async () => {
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev']
    const result = await runCommand('npm', args, {
      cwd: root,
      env,
      moreEnv: tokensOf(env),
      timeoutMs: INSTALL_TIMEOUT_MS,
    })
    if (result.code !== 0) {
      throw new StartError('The dependencies could not be installed: npm ci failed.', {
        detail: lastLines(result.output),
      })
    }
  })
}

/**
 * The tokens for a private registry that a person's `.npmrc` may name: npm's own, for npm alone.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Record<string, string>}
 */
function tokensOf(env) {
  return Object.fromEntries(
    ['NPM_TOKEN', 'NODE_AUTH_TOKEN'].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  )
}

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage */

/**
 * Whether `node_modules` holds every package of the lockfile in its version. npm notes what it installed in a lockfile
 * of its own, and writes that last, so an interrupted installation counts as none. Packages for other platforms may
 * lack.
 *
 * @param {string} root
 * @returns {boolean}
 */
export function areDependenciesInstalled(root) {
  const notes = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(notes)) return false
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(notes)
  return Object.entries(wanted).every(([path, wantedPackage]) => {
    if (path === '' || wantedPackage.link === true) return true
    const found = installed[path]
    if (found === undefined) return wantedPackage.optional === true
    return found.version === wantedPackage.version && found.integrity === wantedPackage.integrity
  })
}

/**
 * @param {string} file
 * @returns {Record<string, LockedPackage>}
 */
function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
