import { choose, compare, newestComparison, showComparison, wishOf } from '../alternatives.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../usage-error.ts'
import { defineCommand } from './command.ts'
import { newestTasks, projectsNamed } from './newest-tasks.ts'
import { JSON_OPTION, PROJECT_OPTION } from './shared-options.ts'

const MAX_TASKS = 20

/** `keelson alternatives`: tries a task again, shows the results, chooses one. Ends with 1 when the comparison failed. */
export const alternativesCommand = defineCommand({
  name: 'alternatives',
  words: '[TASK] [MODEL|COUNT …]',
  what: 'has a task’s request tried again and shows the results side by side; without words, the newest',
  options: {
    ...PROJECT_OPTION,
    evidence: { type: 'boolean', what: 'has the evidence choose: checks, then findings, then the smaller change' },
    choose: {
      type: 'string',
      value: 'NUMBER|none',
      what: 'chooses one (0 is the task’s own result), or ends without a choice',
    },
    ...JSON_OPTION,
  },
  completes: 'task',
  notes: 'Tries run on when this ends. Ends with 1 when none could be chosen.',
  run: async ({ values, positionals }, { api, printer, write }) => {
    const named = positionals[0]?.startsWith('tsk_') ? positionals[0] : undefined
    const words = named === undefined ? positionals : positionals.slice(1)
    if (values.choose !== undefined && words.length > 0) throw new UsageError('--choose takes no further tries.')
    const projects = named === undefined ? await projectsNamed(api, values.project) : []
    const newest = named === undefined ? await newestTasks(api, projects, MAX_TASKS) : []
    const taskIds = named === undefined ? newest.map(({ task }) => task.id) : [named]
    const ask = async () => {
      if (words.length > 0)
        return await compare(api, taskIds[0] ?? '', wishOf([...words, ...(values.evidence ? ['evidence'] : [])]))
      const known = await newestComparison(api, taskIds)
      return values.choose === undefined ? known : await choose(api, known.id, values.choose)
    }
    const comparison = await ask()
    if (values.json) write(`${JSON.stringify(comparison)}\n`)
    else showComparison(printer, comparison)
    return comparison.state === 'failed' ? EXIT.bad : EXIT.good
  },
})
