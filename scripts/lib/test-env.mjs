const STORE_SETTINGS = ['DATABASE_URL', 'REDIS_URL', 'HOST', 'PORT']
const PREFIXES = ['TEMPORAL_', 'KEELSON_']
const KEPT = ['KEELSON_NO_SYSTEM_INSTALL', 'KEELSON_SCREENSHOTS']

/**
 * An environment without anything that would lead a private stack to the user's own stores or instance.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function withoutStores(env) {
  const isKept = (/** @type {string} */ name) =>
    KEPT.includes(name) || !(STORE_SETTINGS.includes(name) || PREFIXES.some((prefix) => name.startsWith(prefix)))
  return Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name)))
}

/**
 * What the tests find in their environment: the stores that run for them and the programs to start more.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./stores.mjs').Stores} stores
 * @param {import('./bootstrap.mjs').Binaries & { browser: string | undefined, firefox: string | undefined }} binaries
 * @param {string} resultFile where the reporter writes
 * @returns {NodeJS.ProcessEnv}
 */
export function testEnv(env, stores, binaries, resultFile) {
  return {
    ...env,
    // The tests make databases of their own, which the product's role may not.
    KEELSON_TEST_DATABASE_URL: stores.postgres.adminUrl,
    KEELSON_TEST_REDIS_URL: stores.redis.url,
    KEELSON_TEST_TEMPORAL_ADDRESS: stores.temporal.address,
    KEELSON_TEST_TEMPORAL_NAMESPACE: stores.temporal.namespace,
    KEELSON_TEST_TEMPORAL_BINARY: binaries.temporal,
    KEELSON_TEST_REDIS_BINARY: binaries.redis,
    KEELSON_TEST_BROWSER: binaries.browser,
    KEELSON_TEST_FIREFOX: binaries.firefox,
    KEELSON_TEST_RESULT: resultFile,
  }
}
