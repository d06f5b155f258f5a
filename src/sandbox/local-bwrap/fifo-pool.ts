import { execFile } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, rmSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The two ends of one nameless FIFO. The caller closes both. */
export interface Fifo {
  readonly readFd: number
  readonly writeFd: number
}

/** Hands out FIFOs; `take` rejects when none can be made, `close` removes those that nobody took. */
export interface FifoPool {
  take(): Promise<Fifo>
  close(): void
}

const BATCH = 32

/**
 * FIFOs for commands' output. One FIFO is both stdout and stderr, so the log has them in the order they were written, and
 * unlike the socket pairs of Node it can be opened again as /dev/stdout. Node cannot make one; `mkfifo` makes a batch.
 * `dir` is the pool's own: what a killed runner left in it goes.
 */
export function createFifoPool(dir: string): FifoPool {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const ready: string[] = []
  let made = 0
  let refill: Promise<void> | null = null

  const makeBatch = async () => {
    const names = Array.from({ length: BATCH }, () => path.join(dir, String(made++)))
    await run('mkfifo', ['-m', '600', ...names], { env: { PATH: '/usr/bin:/bin' }, timeout: 10_000 })
    ready.push(...names)
  }
  const fill = () => {
    refill ??= makeBatch().finally(() => {
      refill = null
    })
    return refill
  }

  return {
    async take() {
      while (ready.length === 0) await fill()
      const name = ready.shift() as string
      if (ready.length === BATCH / 4) fill().catch(() => undefined) // the next take meets the same failure and reports it
      const readFd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        return { readFd, writeFd: openSync(name, constants.O_WRONLY) }
      } catch (error) {
        closeSync(readFd)
        throw error
      } finally {
        unlinkSync(name)
      }
    },
    close() {
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
