const PLAIN = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SSL_CERT_FILE', 'SSL_CERT_DIR']
const MODEL_SECRETS = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN']

/**
 * The environment for programs that need none of the user's settings, such as the stores: no key reaches them.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function plainEnv(settings) {
  return Object.fromEntries(PLAIN.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]))
}

/**
 * The user's settings without the keys of the model, which the worker alone is given.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function withoutModelSecrets(settings) {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !MODEL_SECRETS.includes(name)))
}
