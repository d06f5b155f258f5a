/** An earlier task of the conversation with the size of its messages. */
export interface EarlierTask {
  readonly taskId: string
  readonly tokens: number
}

/**
 * Which earlier tasks are told to the model message by message, the rest being summaries: always the newest ones in a
 * row, oldest first. `tasks` are all earlier ones, oldest first; `before` is what the task before was given, or null.
 *
 * As long as that and the task before itself fit into `reachTokens`, the boundary stays where it was, so that the prompt
 * begins with the same bytes and the cache holds. When they no longer fit it moves far enough to stay for a while: half
 * of the reach is kept free, except for the newest task, which may fill all of it. Pure.
 */
export function chooseReach(
  tasks: readonly EarlierTask[],
  before: readonly string[] | null,
  reachTokens: number,
): readonly string[] {
  const first = before === null ? -1 : tasks.findIndex((task) => before.includes(task.taskId))
  const kept = first === -1 ? tasks.slice(before === null ? 0 : -1) : tasks.slice(first)
  if (sum(kept) <= reachTokens) return kept.map((task) => task.taskId)
  const whole: string[] = []
  let used = 0
  for (const task of tasks.toReversed()) {
    used += task.tokens
    if (used > (whole.length === 0 ? reachTokens : reachTokens / 2)) break
    whole.unshift(task.taskId)
  }
  return whole
}

function sum(tasks: readonly EarlierTask[]): number {
  return tasks.reduce((total, task) => total + task.tokens, 0)
}
