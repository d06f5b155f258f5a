/**
 * Named instants at which a test may have the process die: between two steps that must not come apart. Armed by
 * `armCrashPoint` from the process's own entry point only; otherwise a comparison with null and nothing more.
 */

export const CRASH_POINTS = [
  'accept.after_commit',
  'outbox.before_start',
  'outbox.started.before_done',
  'lease.acquired',
  'sandbox.made.before_record',
  'sandbox.filled.before_record',
  'turn.begun',
  'model.streaming',
  'reply.before_store',
  'reply.stored',
  'tool.started.before_effect',
  'tool.effect.before_record',
  'tools.recorded',
  'checkpoint.before_record',
  'checks.before_record',
  'verdict.before_record',
  'finish.before_commit',
  'finish.committed',
  'setup.begun',
  'setup.told',
  'setup.command.started',
  'setup.command.ended',
  'setup.before_finish',
  'setup.finished',
  'restore.recorded',
  'restore.file_replaced',
  'restore.before_record',
  'publish.forked.before_record',
  'publish.built.before_record',
  'publish.recorded',
  'publish.before_push',
  'publish.pushed.before_record',
  'publish.before_open',
  'publish.opened.before_record',
  'publish.ended',
  'comparison.forked',
  'choice.adopted',
  'comparison.fork_removed',
  'takeover.before_part',
] as const

/** One of the instants at which a test has a process die. */
export type CrashPoint = (typeof CRASH_POINTS)[number]

let armed: { readonly point: CrashPoint; left: number; readonly die: () => void } | null = null

/** Has `die` called the n-th time that `point` is reached. `spec` is `name` or `name@n`; any other throws. */
export function armCrashPoint(spec: string, die: () => void): void {
  const [name = '', count = '1'] = spec.split('@')
  const point = CRASH_POINTS.find((candidate) => candidate === name)
  if (!point || !/^[1-9]\d*$/.test(count)) throw new Error(`there is no crash point ${spec}`)
  armed = { point, left: Number(count), die }
}

/** Marks an instant; dies there when armed. */
export function hitCrashPoint(point: CrashPoint): void {
  if (armed === null || armed.point !== point) return
  armed.left -= 1
  if (armed.left === 0) armed.die()
}
