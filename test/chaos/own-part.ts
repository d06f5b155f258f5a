import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './wait.ts'

export interface OwnPart {
  readonly name: string
  readonly pid: number | undefined
  readonly logFile: string
  /** How the runs that `stop` did not end have ended: `SIGKILL`, `exit code 0`. */
  readonly endings: readonly string[]
  /** Ends it for good, politely first. */
  stop(): Promise<void>
}

const GRACE_MS = 15_000

/**
 * A process of the product beside those that the supervisor keeps: started again at once when it ends, without the
 * supervisor's growing delay. `firstEnv` is added to the first run only, so that a crash point strikes once.
 */
export function keepProcess(options: {
  name: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  firstEnv?: NodeJS.ProcessEnv
  home: string
}): OwnPart {
  const logFile = join(options.home, 'logs', `${options.name}.log`)
  const endings: string[] = []
  let isStopping = false
  let child: ChildProcess
  let runs = 0

  const start = (): void => {
    const log = openSync(logFile, 'a', 0o600)
    const env = { ...options.env, ...(runs++ === 0 ? options.firstEnv : {}) }
    child = spawn(process.execPath, options.args, {
      cwd: options.home,
      env,
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child.once('error', (error) => endings.push(error.message))
    child.once('exit', (code, signal) => {
      if (isStopping) return
      endings.push(signal ?? `exit code ${code}`)
      start()
    })
  }
  start()

  return {
    name: options.name,
    logFile,
    endings,
    get pid() {
      return child.exitCode === null && child.signalCode === null ? child.pid : undefined
    },
    async stop() {
      isStopping = true
      const giveUpAt = Date.now() + GRACE_MS
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      while (child.exitCode === null && child.signalCode === null) {
        if (Date.now() > giveUpAt) child.kill('SIGKILL')
        await sleep(25)
      }
    },
  }
}

/** Waits until the newest run has written a line with `message`. */
export async function untilReady(part: OwnPart, message: string, timeoutMs: number): Promise<void> {
  const isReady = (): boolean =>
    readFileSync(part.logFile, 'utf8')
      .split('\n')
      .some((line) => line.includes(`"pid":${part.pid},`) && line.includes(`"msg":"${message}"`))
  await until(isReady, timeoutMs, `${part.name} is ready`)
}
