import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type HostProxies, hostProxiesOf } from '../host-proxy.ts'

/** How a tool of this host is asked: with the environment that its owner gave it, never inside a sandbox. */
export interface ToolRunner {
  /** By its variables. */
  readonly hostProxies: HostProxies
  /** What the command prints, trimmed; null when it is not there, fails or takes longer than `timeoutMs` (default 20 s). */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<string | null>
}

/** What one run of a tool has besides the runner's own variables; without `timeoutMs` it ends after 20 s. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 20_000
const MAX_OUTPUT_BYTES = 1024 * 1024

/** Runs tools with these variables and no others. */
export function createToolRunner(env: Readonly<Record<string, string>>): ToolRunner {
  const exec = promisify(execFile)
  return {
    hostProxies: hostProxiesOf(env),
    async run(program, args, options = {}) {
      try {
        const { stdout } = await exec(program, [...args], {
          env: { ...env, ...options.env },
          cwd: options.cwd ?? '/',
          timeout: options.timeoutMs ?? TIMEOUT_MS,
          killSignal: 'SIGKILL',
          maxBuffer: MAX_OUTPUT_BYTES,
        })
        return stdout.trim()
      } catch {
        // Not installed, an old version without that question, or too slow: there is no answer then.
        return null
      }
    },
  }
}
