import { spawn } from 'node:child_process'
import { toolEnv } from './child-env.mjs'

const KEPT_OUTPUT_CHARS = 64 * 1024

/**
 * @typedef {object} CommandResult
 * @property {number} code exit code; 127 when the program was not found, 124 when the time limit ended it
 * @property {string} output standard output and error together, the last 64 KiB
 */

/**
 * Runs a program to its end and keeps the tail of its output. Never throws for a failing program: look at `code`. Of `env`,
 * by default our own, it is given what tools need and no key; `moreEnv` as it is.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, moreEnv?: Record<string, string>, timeoutMs: number,
 *   user?: { uid: number, gid: number } | undefined, onLine?: (line: string) => void }} options
 * @returns {Promise<CommandResult>}
 */
export function runCommand(command, args, options) {
  return new Promise((resolve) => {
    let output = ''
    let timedOut = false
    const killWithUs = () => child.kill('SIGKILL')
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...toolEnv(options.env ?? process.env), ...options.moreEnv },
      ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
    })
    process.once('exit', killWithUs)
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, options.timeoutMs)
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      const text = chunk.toString('utf8')
      output = (output + text).slice(-KEPT_OUTPUT_CHARS)
      if (options.onLine !== undefined) for (const line of text.split('\n')) if (line !== '') options.onLine(line)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', (error) => {
      clearTimeout(timer)
      process.removeListener('exit', killWithUs)
      resolve({ code: 127, output: `${output}${error.message}` })
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      process.removeListener('exit', killWithUs)
      resolve({ code: timedOut ? 124 : (code ?? 1), output })
    })
  })
}

/**
 * The last lines of a text, for the detail of an error.
 *
 * @param {string} text
 * @param {number} [count]
 * @returns {string}
 */
export function lastLines(text, count = 20) {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}
