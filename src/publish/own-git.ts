/**
 * Git run by ourselves on a directory of our own: without configuration of system, user or project, without hooks, without
 * anything that asks. What a project chooses is the content and the names of objects alone; output and time are bounded.
 */

import { spawn } from 'node:child_process'
import { AppError } from '../shared/errors.ts'

/** One git command of our own on this host, with the repository that it works in. */
export interface OwnGitOptions {
  readonly gitDir: string
  /** What it reads, some at a time; left out: nothing. */
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly maxBytes: number
  readonly timeoutMs: number
}

const MAX_COMPLAINT = 2_000

/**
 * Runs git and returns what it printed. Throws `body_too_large` when that is more than `maxBytes`, `sandbox_busy` (retried)
 * when it does not end in time, and `internal` with git's last words when it fails. Safe to repeat as far as the command is.
 */
export async function runOwnGit(args: readonly string[], options: OwnGitOptions): Promise<Buffer> {
  const child = spawn('git', ['--no-pager', ...args], {
    cwd: options.gitDir,
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      GIT_DIR: options.gitDir,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      HOME: '/nonexistent',
      LC_ALL: 'C',
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  })
  const chunks: Buffer[] = []
  let bytes = 0
  let complaint = ''
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= options.maxBytes) chunks.push(chunk)
    else child.kill('SIGKILL')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-MAX_COMPLAINT)
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new AppError('sandbox_unavailable', 'git cannot be started on this host', { cause }))
    })
    child.once('close', resolve)
  })
  child.stdin.on('error', () => undefined) // git ended before it had read everything; its exit code tells
  const [code] = await Promise.all([ended, feed(child.stdin, options.input)])
  if (bytes > options.maxBytes) throw new AppError('body_too_large', 'What git made of it is too large.')
  if (code === null) throw new AppError('sandbox_busy', 'Git did not end in time.')
  if (code !== 0) throw new AppError('internal', `git ${args[0]}: ${complaint.trim()}`)
  return Buffer.concat(chunks)
}

async function feed(stdin: NodeJS.WritableStream, input: OwnGitOptions['input']): Promise<void> {
  try {
    for await (const piece of input ?? []) {
      if (!stdin.writable) return
      if (!stdin.write(piece)) {
        await new Promise<void>((resolve) => {
          stdin.once('drain', resolve)
          stdin.once('close', resolve)
        })
      }
    }
  } finally {
    stdin.end()
  }
}
