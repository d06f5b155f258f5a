import { findProgram } from './find-program.mjs'
import { StartError } from './start-error.mjs'
import { installSystemPackages, maySystemInstall } from './system-packages.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** Without a font the pages' text has no size, and Debian's Chromium brings none. */
const PACKAGES = ['chromium', 'fonts-dejavu-core']

/**
 * The Chromium that the browser tests drive: the one on the PATH, else Debian's package where it may be installed.
 * Undefined where there is none: those tests are then skipped and say what to type, since nothing else needs a browser.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string | undefined>}
 */
export async function ensureBrowser(env, log) {
  const found = findBrowser(env)
  if (found !== undefined || !maySystemInstall(env)) return found
  try {
    await installSystemPackages(PACKAGES, env, log)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    log.warn(`${error.message} The browser tests will be skipped.`)
  }
  return findBrowser(env)
}

/** @param {NodeJS.ProcessEnv} env */
function findBrowser(env) {
  return NAMES.map((name) => findProgram(name, env)).find((path) => path !== undefined)
}
