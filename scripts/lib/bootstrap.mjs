import { join } from 'node:path'
import { build } from './build.mjs'
import { ensureDependencies } from './dependencies.mjs'
import { runsOwnRedis, runsOwnTemporal } from './external-stores.mjs'
import { isCheckout } from './paths.mjs'
import { ensureRedisBinary } from './redis-binary.mjs'
import { ensureTemporalCli } from './temporal-cli.mjs'
import { ensureTools } from './tools.mjs'

/**
 * The programs of the stores that we run ourselves; absent for a store that the user brings.
 *
 * @typedef {object} Binaries
 * @property {string} [temporal]
 * @property {string} [redis]
 */

/**
 * Gets and builds whatever a clone with nothing installed lacks (an installed package comes built); takes a fraction of a second when nothing lacks.
 * Safe to repeat and to interrupt. Rejects with a StartError.
 *
 * @param {{ root: string, home: string, settings: NodeJS.ProcessEnv, log: import('./log.mjs').Log }} options
 * @returns {Promise<Binaries>}
 */
export async function bootstrap({ root, home, settings, log }) {
  const programs = ensurePrograms(join(home, 'bin'), settings, log)
  // Awaited below: this keeps its failure from counting as unhandled while the dependencies are still being installed.
  programs.catch(() => undefined)
  if (isCheckout(root)) {
    await ensureDependencies(root, settings, log)
    await build({ root, env: settings, log })
  }
  return programs
}

/**
 * @param {string} binDirectory
 * @param {NodeJS.ProcessEnv} settings
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<Binaries>}
 */
async function ensurePrograms(binDirectory, settings, log) {
  /** @type {Binaries} */
  const binaries = {}
  await ensureTools(settings, log)
  if (runsOwnRedis(settings)) binaries.redis = await ensureRedisBinary(binDirectory, settings, log)
  if (runsOwnTemporal(settings)) {
    binaries.temporal = await ensureTemporalCli(binDirectory, settings, log)
  }
  return binaries
}
