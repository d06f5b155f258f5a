import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Where a program is, by the directories of `PATH` in their order; undefined when it is in none. The directories of
 * system daemons are searched too, since an ordinary user's PATH often lacks them.
 *
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
export function findProgram(name, env) {
  const path = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '')
  for (const directory of [...path, '/usr/local/sbin', '/usr/sbin', '/sbin']) {
    const candidate = join(directory, name)
    if (isExecutableFile(candidate)) return candidate
  }
  return undefined
}

/**
 * @param {string} path
 * @returns {boolean} whether it is a file that we may execute
 */
function isExecutableFile(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
