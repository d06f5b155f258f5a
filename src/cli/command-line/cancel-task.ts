import { setTimeout as delay } from 'node:timers/promises'
import type { ListedTask } from '../answers.ts'
import { type Api, ApiError } from '../api.ts'
import { EXIT } from '../exit-codes.ts'
import { defineCommand } from './command.ts'
import { projectsNamed } from './newest-tasks.ts'
import { atMost, JSON_OPTION, PROJECT_OPTION } from './shared-options.ts'

const CONFIRM_MS = 60_000
const LOOK_EVERY_MS = 200
const OVER = new Set(['completed', 'failed', 'cancelled'])

/** `keelson cancel`: ends a task and waits for its confirmation. Ends with 0 when the task was cancelled, else 1. */
export const cancelCommand = defineCommand({
  name: 'cancel',
  words: '[TASK]',
  what: 'ends a task and waits for the confirmation; without one, the task that runs',
  options: {
    ...PROJECT_OPTION,
    reason: { type: 'string', value: 'TEXT', what: 'what its history says' },
    ...JSON_OPTION,
  },
  completes: 'task',
  notes: 'Ends with 0 when the task was cancelled, 1 when it had ended otherwise or did not confirm within a minute.',
  run: async ({ values, positionals }, { api, printer, write }) => {
    atMost(positionals, 1)
    const taskId = positionals[0] ?? (await runningTask(api, values.project))
    await ask(api, taskId, values.reason ?? 'Cancelled from the terminal.')
    const { status } = await ended(api, taskId)
    if (values.json) write(`${JSON.stringify({ taskId, status })}\n`)
    else printer.note(`${taskId} ${status === 'cancelled' ? 'was cancelled.' : `is ${status}.`}`)
    return status === 'cancelled' ? EXIT.good : EXIT.bad
  },
})

async function runningTask(api: Api, project: string | undefined): Promise<string> {
  const running = (await projectsNamed(api, project)).flatMap(({ activeTaskId }) => activeTaskId ?? [])
  const [only, ...others] = running
  if (only === undefined) throw new ApiError('No task runs.', 404, 'not_found')
  if (others.length > 0) throw new ApiError(`Several tasks run, name one: ${running.join(', ')}.`, 409, 'conflict')
  return only
}

async function ask(api: Api, taskId: string, reason: string): Promise<void> {
  try {
    await api.insist('POST', `/api/tasks/${encodeURIComponent(taskId)}/cancel`, { reason })
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'task_over')) throw error
  }
}

/** The task once it is over, or as it stands after a minute. */
async function ended(api: Api, taskId: string): Promise<ListedTask> {
  const deadline = performance.now() + CONFIRM_MS
  for (;;) {
    const task = await api.insist<ListedTask>('GET', `/api/tasks/${encodeURIComponent(taskId)}`)
    if (OVER.has(task.status) || performance.now() > deadline) return task
    await delay(LOOK_EVERY_MS)
  }
}
