import { clean } from '../clean-text.ts'
import { UsageError } from '../usage-error.ts'
import { defineCommand } from './command.ts'
import { newestTasks, projectsNamed } from './newest-tasks.ts'
import { atMost, JSON_OPTION, PROJECT_OPTION } from './shared-options.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 200

/** `keelson tasks`: lists the newest tasks, of one project or of all. */
export const tasksCommand = defineCommand({
  name: 'tasks',
  what: 'lists the newest tasks, newest first',
  options: {
    ...PROJECT_OPTION,
    limit: { type: 'string', value: 'NUMBER', what: `at most so many, 1 to ${MAX_LIMIT}; ${DEFAULT_LIMIT} by default` },
    ...JSON_OPTION,
  },
  run: async ({ values, positionals }, { api, printer, write }) => {
    atMost(positionals, 0)
    const limit = limitOf(values.limit)
    const found = await newestTasks(api, await projectsNamed(api, values.project), limit)
    if (values.json) {
      write(`${JSON.stringify(found.map(({ task }) => task))}\n`)
      return 0
    }
    if (found.length === 0) printer.note('There was no task yet; keelson chat "…" starts one.')
    for (const { project, task } of found) {
      const { files, added, removed } = task.diffStat
      const change = files === 0 ? '' : `  ${files} ${files === 1 ? 'file' : 'files'} +${added} −${removed}`
      const end = task.outcome === undefined ? task.status : `${task.outcome}, ${task.evidence}`
      printer.note(`${task.id}  ${end.padEnd(28)} ${clean(project.name).replaceAll(/\s+/g, ' ')}${change}`)
    }
    return 0
  },
})

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new UsageError(`--limit takes a number from 1 to ${MAX_LIMIT}.`)
  }
  return limit
}
