import { findProgram } from './find-program.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'

/**
 * What the sandbox and its tools call, and the Debian package of each.
 *
 * @type {readonly { program: string, package: string, linuxOnly: boolean }[]}
 */
export const TOOLS = [
  { program: 'bwrap', package: 'bubblewrap', linuxOnly: true },
  { program: 'socat', package: 'socat', linuxOnly: true },
  { program: 'git', package: 'git', linuxOnly: false },
  { program: 'rg', package: 'ripgrep', linuxOnly: false },
]

/**
 * Makes sure that the programs which the sandbox and its tools call are on the PATH: found there, installed when that
 * is allowed, or a StartError that holds the line to type.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 */
export async function ensureTools(env, log) {
  const missing = missingTools(env)
  if (missing.length === 0) return
  const packages = missing.map((tool) => tool.package)
  if (maySystemInstall(env)) await installSystemPackages(packages, env, log)
  const stillMissing = missingTools(env).map((tool) => tool.program)
  if (stillMissing.length === 0) return
  throw new StartError(`Programs that the sandbox needs are missing: ${stillMissing.join(', ')}.`, {
    detail: `Install them first:\n  ${installLine(packages)}`,
  })
}

/** @param {NodeJS.ProcessEnv} env */
function missingTools(env) {
  return TOOLS.filter((tool) => process.platform === 'linux' || !tool.linuxOnly).filter(
    (tool) => findProgram(tool.program, env) === undefined,
  )
}

/**
 * @param {readonly string[]} packages
 * @returns {string} what a person types to install them
 */
export function installLine(packages) {
  const list = packages.join(' ')
  return process.platform === 'darwin' ? `brew install ${list}` : `sudo apt-get install -y ${list}`
}
