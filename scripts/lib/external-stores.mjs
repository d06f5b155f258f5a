/**
 * Which stores a start runs itself, and which the user brings by a setting.
 *
 * @param {NodeJS.ProcessEnv} settings
 */
export const runsOwnPostgres = (settings) => settings['DATABASE_URL'] === undefined

/** @param {NodeJS.ProcessEnv} settings */
export const runsOwnRedis = (settings) => settings['REDIS_URL'] === undefined

/**
 * A profile or a configuration file of Temporal's own names a server just as the address does.
 *
 * @param {NodeJS.ProcessEnv} settings
 */
export const runsOwnTemporal = (settings) =>
  ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'].every((name) => settings[name] === undefined)
