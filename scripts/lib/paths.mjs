import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import util from 'node:util'

/** The directory of the checkout or of the installed package: absolute, without a slash at the end. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * Whether a directory holds the sources: then what is missing is installed and built, and data lie beside them. A package
 * that npm made holds what was built instead, and a lockfile of its own.
 *
 * @param {string} [root]
 */
export function isCheckout(root = ROOT) {
  return existsSync(join(root, 'tsconfig.build.json')) || !existsSync(join(root, 'npm-shrinkwrap.json'))
}

/**
 * The settings of a start: the environment, completed from `.env` in the checkout, or in the home directory of an
 * installed package, where the environment wins. Empty values count as not set, so that a copied `.env.example` changes
 * nothing.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [root]
 * @returns {NodeJS.ProcessEnv}
 */
export function readSettings(env, root = ROOT) {
  const file = join(isCheckout(root) ? root : homeOf(withoutEmpty(env), root), '.env')
  const fromFile = existsSync(file) ? util.parseEnv(readFileSync(file, 'utf8')) : {}
  return withoutEmpty({ ...fromFile, ...env })
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
function withoutEmpty(env) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
}

/**
 * The directory that holds all data of one installation: `KEELSON_HOME`, by default `.keelson` in the checkout, and in
 * the person's own directory for an installed package.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} [root]
 * @returns {string} absolute
 */
export function homeOf(settings, root = ROOT) {
  const named = settings['KEELSON_HOME']
  if (isCheckout(root)) return resolve(root, named ?? '.keelson')
  return named === undefined ? join(settings['HOME'] ?? homedir(), '.keelson') : resolve(named)
}
