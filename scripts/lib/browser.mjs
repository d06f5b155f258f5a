import { findProgram } from './find-program.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'

const CHROMIUM = {
  names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  // Without a font the pages' text has no size, and Debian's Chromium brings none.
  packages: ['chromium', 'fonts-dejavu-core'],
}
const FIREFOX = { names: ['firefox-esr', 'firefox'], packages: ['firefox-esr', 'fonts-dejavu-core'] }

/**
 * The Chromium that the browser tests drive: the one on the PATH, else Debian's package where it may be installed.
 * Undefined where there is none: those tests are then skipped and say what to type, since nothing else needs a browser.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | undefined>}
 */
export async function ensureBrowser(env, log) {
  return await ensure(CHROMIUM, env, log)
}

/**
 * The Firefox that one of them drives, found or installed in the same way.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | undefined>}
 */
export async function ensureFirefox(env, log) {
  return await ensure(FIREFOX, env, log)
}

/**
 * @param {{ names: readonly string[], packages: readonly string[] }} browser
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 */
async function ensure({ names, packages }, env, log) {
  const find = () => names.map((name) => findProgram(name, env)).find((path) => path !== undefined)
  const found = find()
  if (found !== undefined || !maySystemInstall(env)) return found
  try {
    await installSystemPackages(packages, env, log)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    log.warn(`${error.message} The tests that need it will be skipped.`)
  }
  return find()
}
