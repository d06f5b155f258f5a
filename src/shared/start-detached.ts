import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/** A process of our own that outlives the one that started it. */
export interface DetachedProcess {
  /** It ended, or could not be started. */
  readonly exited: boolean
}

/**
 * Starts a program in a session of its own: working directory `/`, nothing of this process's environment but `env`, output
 * added to `logFile` (made with mode 0600), no descriptor inherited. Never throws for a program that is not there; that is
 * `exited`. Throws when the log cannot be opened. Each call starts one more.
 */
export function startDetached(
  [program = '', ...args]: readonly string[],
  { env, logFile }: { readonly env: Readonly<Record<string, string>>; readonly logFile: string },
): DetachedProcess {
  const log = openSync(logFile, 'a', 0o600)
  try {
    const child: ChildProcess = spawn(program, args, { cwd: '/', env, stdio: ['ignore', log, log], detached: true })
    const state = { exited: false }
    child.on('error', () => {
      state.exited = true
    })
    child.on('exit', () => {
      state.exited = true
    })
    child.unref()
    return state
  } finally {
    closeSync(log)
  }
}
