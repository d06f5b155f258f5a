import { defineCommand } from './command.ts'
import { newestTaskId, projectsNamed } from './newest-tasks.ts'
import { atMost, PROJECT_OPTION } from './shared-options.ts'

/** `keelson patch`: prints a task's change as a mailbox for `git am`, and nothing else. */
export const patchCommand = defineCommand({
  name: 'patch',
  words: '[TASK]',
  what: 'prints what a task changed as a mailbox: keelson patch | git am',
  options: { ...PROJECT_OPTION },
  completes: 'task',
  run: async ({ values, positionals }, { api, write }) => {
    atMost(positionals, 1)
    const taskId = positionals[0] ?? (await newestTaskId(api, await projectsNamed(api, values.project)))
    write(await api.download(`/api/tasks/${encodeURIComponent(taskId)}/patch`))
    return 0
  },
})
