import { spawn } from 'node:child_process'

const AFTER_SIGNAL_MS = 15_000

/**
 * Runs a program with this terminal as its own and returns its exit code. It shares the terminal's Ctrl-C with us, so a
 * signal that came from there needs no forwarding; an abort for another reason is passed on as SIGTERM, and a program
 * that does not end within 15 s after that is killed.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal }} options
 * @returns {Promise<number>}
 */
export function runForeground(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: 'inherit' })
    /** @type {NodeJS.Timeout | undefined} */
    let killer
    const end = () => {
      if (options.signal.reason === 'SIGINT' && process.stdin.isTTY) return
      child.kill('SIGTERM')
      killer = setTimeout(() => child.kill('SIGKILL'), AFTER_SIGNAL_MS)
    }
    const killWithUs = () => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    options.signal.addEventListener('abort', end, { once: true })
    const settle = () => {
      clearTimeout(killer)
      process.removeListener('exit', killWithUs)
      options.signal.removeEventListener('abort', end)
    }
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('exit', (code, signal) => {
      settle()
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1))
    })
  })
}
