import type { Random } from './random.ts'

export type Target = 'worker' | 'server' | 'redis' | 'postgres' | 'temporal' | 'runner' | 'command'

export type Fault =
  | { readonly kind: 'signal'; readonly target: Target; readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT' }
  /** SIGSTOP, and SIGCONT after that long. */
  | { readonly kind: 'freeze'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'flush'; readonly target: 'redis' }

export interface Step {
  /** Since the step before. */
  readonly afterMs: number
  readonly fault: Fault
  /** From 0 to 1: which of several processes of the kind. */
  readonly which: number
}

interface Choice {
  readonly weight: number
  make(random: Random): Fault
}

const signal = (
  weight: number,
  target: Target,
  name: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT' = 'SIGKILL',
): Choice => ({
  weight,
  make: () => ({ kind: 'signal', target, signal: name }),
})
const freeze = (weight: number, target: Target, minMs: number, maxMs: number): Choice => ({
  weight,
  make: (random) => ({ kind: 'freeze', target, forMs: random.whole(minMs, maxMs) }),
})

/** How often each fault is drawn. A worker's freeze is mostly longer than the heartbeat's limit of five seconds. */
const CHOICES: readonly Choice[] = [
  signal(10, 'worker'),
  signal(4, 'worker', 'SIGTERM'),
  freeze(4, 'worker', 2_000, 9_000),
  signal(4, 'server'),
  signal(2, 'server', 'SIGTERM'),
  freeze(2, 'server', 500, 4_000),
  signal(3, 'redis'),
  signal(1, 'redis', 'SIGTERM'),
  freeze(2, 'redis', 500, 5_000),
  { weight: 2, make: () => ({ kind: 'flush', target: 'redis' }) },
  signal(1, 'postgres'),
  signal(2, 'postgres', 'SIGQUIT'),
  signal(1, 'postgres', 'SIGINT'),
  freeze(2, 'postgres', 500, 5_000),
  signal(2, 'temporal'),
  signal(1, 'temporal', 'SIGTERM'),
  freeze(2, 'temporal', 500, 5_000),
  signal(2, 'runner'),
  freeze(2, 'runner', 500, 4_000),
  signal(4, 'command'),
]

/**
 * The faults in the order in which they strike, without end: the same generator gives the same ones. What cannot be done
 * at its moment (no command runs, say) is left out by whoever plays them, so the plan is longer than what was done.
 */
export function* planFaults(random: Random, pace: { minMs: number; maxMs: number }): Generator<Step, never> {
  const total = CHOICES.reduce((sum, choice) => sum + choice.weight, 0)
  for (;;) {
    let left = random.next() * total
    const choice = CHOICES.find(({ weight }) => (left -= weight) < 0) ?? CHOICES[0]
    if (choice === undefined) throw new Error('no fault can be drawn')
    yield { afterMs: random.whole(pace.minMs, pace.maxMs), fault: choice.make(random), which: random.next() }
  }
}

/** One line for a person: `worker SIGKILL`, `redis frozen 1200 ms`. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'signal':
      return `${fault.target} ${fault.signal}`
    case 'freeze':
      return `${fault.target} frozen ${fault.forMs} ms`
    case 'flush':
      return 'redis FLUSHALL'
  }
}
