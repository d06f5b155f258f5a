import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import util from 'node:util'

/** The checkout's directory: absolute, without a slash at the end. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * The settings of a start: the environment, completed from `.env` in the checkout, where the environment wins.
 * Empty values count as not set, so that a copied `.env.example` changes nothing.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [root]
 * @returns {NodeJS.ProcessEnv}
 */
export function readSettings(env, root = ROOT) {
  const file = join(root, '.env')
  const fromFile = existsSync(file) ? util.parseEnv(readFileSync(file, 'utf8')) : {}
  const both = Object.entries({ ...fromFile, ...env })
  return Object.fromEntries(both.filter(([, value]) => value !== undefined && value !== ''))
}

/**
 * The directory that holds all data of one installation: `KEELSON_HOME`, by default `.keelson` in the checkout.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} [root]
 * @returns {string} absolute
 */
export function homeOf(settings, root = ROOT) {
  return resolve(root, settings['KEELSON_HOME'] ?? '.keelson')
}
