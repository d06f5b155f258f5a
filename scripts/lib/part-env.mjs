import { join } from 'node:path'
import { plainEnv, withoutModelSecrets } from './child-env.mjs'
import { ROOT } from './paths.mjs'

/**
 * What the parts of one instance are told about each other.
 *
 * @typedef {object} Addresses
 * @property {string} databaseUrl
 * @property {string} redisUrl
 * @property {import('./state.mjs').State['temporal']} temporal
 * @property {import('./state.mjs').State['model']} model
 * @property {string} host
 * @property {number} port
 * @property {string} apiToken
 * @property {string} setupToken
 */

/**
 * The server's settings: what the user set but the model's keys, and where the rest of the instance is.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} home
 * @param {Addresses} at
 * @returns {NodeJS.ProcessEnv}
 */
export function serverEnv(settings, home, at) {
  return {
    ...withoutModelSecrets(settings),
    ...instanceEnv(home, at),
    HOST: at.host,
    PORT: String(at.port),
    KEELSON_API_TOKEN: at.apiToken,
    KEELSON_SETUP_TOKEN: at.setupToken,
    ...(at.model.kind === 'scripted' ? { ANTHROPIC_BASE_URL: at.model.baseUrl } : {}),
  }
}

/**
 * The worker's settings: the only part that is given the model's key.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} home
 * @param {Addresses} at
 * @returns {NodeJS.ProcessEnv}
 */
export function workerEnv(settings, home, at) {
  if (at.model.kind === 'anthropic') return { ...settings, ...instanceEnv(home, at) }
  const scripted = { ANTHROPIC_BASE_URL: at.model.baseUrl, ANTHROPIC_API_KEY: 'scripted' }
  return { ...withoutModelSecrets(settings), ...instanceEnv(home, at), ...scripted }
}

/**
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv} for the scripted model, which needs nothing
 */
export function modelEnv(settings) {
  return plainEnv(settings)
}

/**
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} databaseUrl
 * @returns {NodeJS.ProcessEnv} for the program that migrates
 */
export function migrateEnv(settings, databaseUrl) {
  return { ...plainEnv(settings), DATABASE_URL: databaseUrl }
}

/**
 * @param {string} home
 * @param {Addresses} at
 * @returns {NodeJS.ProcessEnv}
 */
function instanceEnv(home, at) {
  return {
    DATABASE_URL: at.databaseUrl,
    REDIS_URL: at.redisUrl,
    TEMPORAL_NAMESPACE: at.temporal.namespace,
    ...(at.temporal.address === undefined ? {} : { TEMPORAL_ADDRESS: at.temporal.address }),
    ...(at.temporal.webUrl === undefined ? {} : { TEMPORAL_WEB_URL: at.temporal.webUrl }),
    KEELSON_HOME: home,
    KEELSON_MODEL_KIND: at.model.kind,
    KEELSON_MODEL: at.model.name,
    KEELSON_WORKFLOW_BUNDLE: join(ROOT, 'dist', 'workflow-bundle.js'),
  }
}
