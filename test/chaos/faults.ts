import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Fault, Step } from './plan.ts'
import { listProcesses, sendTo } from './processes.ts'
import type { ChaosStack } from './stack.ts'

/** A fault that struck. */
export interface Struck {
  readonly at: number
  /** When the part was free to work again: at once, but for a freeze. */
  readonly endsAt: number
  readonly fault: Fault
  /** Tasks that were not over at that moment. */
  readonly inFlight: number
}

const PATIENCE_MS = 15_000

/** Plays faults on a stack. `settle` wakes what is still frozen. */
export function createStriker(stack: ChaosStack, countInFlight: () => number) {
  const frozen = new Map<number, NodeJS.Timeout>()

  const wake = (pid: number): void => {
    clearTimeout(frozen.get(pid))
    frozen.delete(pid)
    sendTo(pid, 'SIGCONT')
  }

  /** Waits shortly for something to strike; null when there is nothing. */
  const aim = async ({ fault, which }: Step): Promise<number | null> => {
    const giveUpAt = Date.now() + (fault.target === 'command' || fault.target === 'runner' ? 2_000 : PATIENCE_MS)
    for (;;) {
      const pids = stack.pidsOf(fault.target).filter((pid) => !frozen.has(pid) && sendTo(pid, 'SIGCONT'))
      const pid = pids[Math.min(pids.length - 1, Math.floor(which * pids.length))]
      if (pid !== undefined) return pid
      if (Date.now() > giveUpAt) return null
      await sleep(20)
    }
  }

  const strike = async (fault: Fault, pid: number): Promise<boolean> => {
    if (fault.kind === 'signal') return sendTo(pid, fault.signal)
    if (fault.kind === 'flush') return await flush(stack.redisUrl)
    // A frozen postmaster alone would leave its sessions working.
    const group = fault.target === 'postgres' ? [pid, ...childrenOf(pid)] : [pid]
    for (const one of group) {
      if (sendTo(one, 'SIGSTOP'))
        frozen.set(
          one,
          setTimeout(() => wake(one), fault.forMs),
        )
    }
    return true
  }

  return {
    /** Null when there was nothing to strike. */
    async play(step: Step): Promise<Struck | null> {
      const pid = await aim(step)
      if (pid === null) return null
      const at = Date.now()
      const inFlight = countInFlight()
      if (!(await strike(step.fault, pid))) return null
      return { at, endsAt: at + (step.fault.kind === 'freeze' ? step.fault.forMs : 0), fault: step.fault, inFlight }
    },
    settle() {
      for (const pid of [...frozen.keys()]) wake(pid)
    },
  }
}

function childrenOf(pid: number): number[] {
  return listProcesses().flatMap((found) => (found.parent === pid ? [found.pid] : []))
}

async function flush(url: string): Promise<boolean> {
  const client = createClient({ url, socket: { connectTimeout: 1_000, reconnectStrategy: false } })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.flushAll()
    return true
  } catch {
    // Redis is away just now: nothing was struck.
    return false
  } finally {
    client.destroy()
  }
}
