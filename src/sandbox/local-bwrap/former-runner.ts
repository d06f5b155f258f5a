import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from './identity.ts'
import { type LivingRunner, livingRunners } from './runner-identity.ts'

const END_WAIT_MS = 10_000
const LOOK_MS = 20

/**
 * Ends the runners of a directory that run as somebody else than commands are to run as, such as the one that a version
 * before left running as root. They end their commands, whose end is recorded as `killed`, and nobody starts those again. One
 * that does not end within 10 s is killed, and its commands are `lost`. Safe to repeat.
 */
export async function endFormerRunners(dir: string, uid: number): Promise<void> {
  const isForeign = (runner: LivingRunner) => !isOf(uid, runner.process.pid)
  const former = livingRunners(dir).filter(isForeign)
  for (const { process: runner } of former) signal(runner.pid, 'SIGTERM')
  // One that is ending has taken its file away already, and its commands may still run.
  const remaining = () => [...former.filter((each) => isAlive(each.process)), ...livingRunners(dir).filter(isForeign)]
  for (const deadline = Date.now() + END_WAIT_MS; Date.now() < deadline; await sleep(LOOK_MS)) {
    if (remaining().length === 0) return
  }
  for (const { process: runner } of remaining()) signal(runner.pid, 'SIGKILL')
}

/** Whether a process is this user's; one that has ended is nobody's. */
function isOf(uid: number, pid: number): boolean {
  try {
    const owner = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return owner === String(uid)
  } catch {
    // It ended in between.
    return true
  }
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch {
    // ESRCH: it has just ended.
  }
}
