import type { DiffAnswer } from '../answers.ts'
import { showDiff } from '../show.ts'
import { defineCommand } from './command.ts'
import { newestTaskId, projectsNamed } from './newest-tasks.ts'
import { atMost, JSON_OPTION, PROJECT_OPTION } from './shared-options.ts'

/** `keelson diff`: shows what a task changed, for people or as a patch. */
export const diffCommand = defineCommand({
  name: 'diff',
  words: '[TASK] [PATH]',
  what: 'shows what a task changed; without one, the newest',
  options: {
    ...PROJECT_OPTION,
    patch: { type: 'boolean', what: 'the patch alone, for git apply' },
    ...JSON_OPTION,
  },
  completes: 'task',
  run: async ({ values, positionals }, { api, printer, write }) => {
    const named = positionals[0]?.startsWith('tsk_') ? positionals[0] : undefined
    const [path, ...more] = named === undefined ? positionals : positionals.slice(1)
    atMost(more, 0)
    const taskId = named ?? (await newestTaskId(api, await projectsNamed(api, values.project)))
    const only = path === undefined ? '' : `?path=${encodeURIComponent(path)}`
    const diff = await api.insist<DiffAnswer>('GET', `/api/tasks/${encodeURIComponent(taskId)}/diff${only}`)
    if (values.json) write(`${JSON.stringify(diff)}\n`)
    else if (values.patch) write(diff.patch)
    else showDiff(printer, diff)
    return 0
  },
})
