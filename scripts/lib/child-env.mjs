const PLAIN = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SSL_CERT_FILE', 'SSL_CERT_DIR']
/** Beyond these, what package managers and their network need, in whatever case they are written. */
const TOOL =
  'CI TERM NO_COLOR FORCE_COLOR NODE_OPTIONS NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE CURL_CA_BUNDLE HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY'.split(
    ' ',
  )
const TOOL_PREFIXES = ['NPM_CONFIG_', 'PIP_', 'XDG_', 'LC_', 'PYENV_']
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
 * The environment for the programs that fetch and build what a start needs (npm, pip, apt, compilers): what they are set up
 * by, and no setting of ours. What they run is other people's code, and no key reaches it.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function toolEnv(settings) {
  const isKept = (/** @type {string} */ name) => {
    const upper = name.toUpperCase()
    return PLAIN.includes(name) || TOOL.includes(upper) || TOOL_PREFIXES.some((prefix) => upper.startsWith(prefix))
  }
  return Object.fromEntries(Object.entries(settings).filter(([name]) => isKept(name)))
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

/**
 * The user's settings without a model of theirs: what is started with them uses the scripted one.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function withoutModel(settings) {
  const { ANTHROPIC_BASE_URL: _, KEELSON_MODEL_KIND: __, ...others } = withoutModelSecrets(settings)
  return others
}
