/**
 * Loaded before a program (`node --import`): each SIGALRM sets its wall clock to the next of these offsets. What counts
 * time from the start of the machine (`performance.now`, timers) is untouched, as with a real correction of the clock.
 */
const HOUR_MS = 3_600_000
const OFFSETS_MS = [HOUR_MS, -HOUR_MS, 0]

const RealDate = Date
let offsetMs = 0
let jumps = 0
const now = () => RealDate.now() + offsetMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
})

process.on('SIGALRM', () => {
  offsetMs = OFFSETS_MS[jumps++ % OFFSETS_MS.length] ?? 0
})
