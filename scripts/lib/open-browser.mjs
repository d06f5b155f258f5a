import { spawn } from 'node:child_process'
import { plainEnv } from './child-env.mjs'
import { findProgram } from './find-program.mjs'

const DESKTOP = [
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XDG_RUNTIME_DIR',
  'XDG_CURRENT_DESKTOP',
  'DBUS_SESSION_BUS_ADDRESS',
  'XAUTHORITY',
  'BROWSER',
]
const ANSWER_MS = 3_000

/**
 * Opens an address in the person's browser.
 *
 * @param {string} url
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>} false where there is no desktop, or its opener fails within three seconds
 */
export function openBrowser(url, env) {
  const program = openerOf(env)
  if (program === undefined) return Promise.resolve(false)
  const desktop = Object.fromEntries(DESKTOP.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
  return new Promise((resolve) => {
    const child = spawn(program, [url], { detached: true, stdio: 'ignore', env: { ...plainEnv(env), ...desktop } })
    // An opener that is still at work by then has started a browser in its own place.
    const timer = setTimeout(() => resolve(true), ANSWER_MS)
    /** @param {boolean} isOpened */
    const settle = (isOpened) => {
      clearTimeout(timer)
      resolve(isOpened)
    }
    child.once('error', () => settle(false))
    child.once('exit', (code) => settle(code === 0))
    child.unref()
  })
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
function openerOf(env) {
  if (process.platform === 'darwin') return findProgram('open', env)
  const hasDesktop = env['DISPLAY'] !== undefined || env['WAYLAND_DISPLAY'] !== undefined
  return hasDesktop ? findProgram('xdg-open', env) : undefined
}
