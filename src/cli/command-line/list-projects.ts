import { clean } from '../clean-text.ts'
import { allProjects } from '../find-project.ts'
import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

/** `keelson projects`: lists them, oldest first. */
export const projectsCommand = defineCommand({
  name: 'projects',
  what: 'lists the projects, oldest first',
  options: JSON_OPTION,
  run: async ({ values, positionals }, { api, printer, write }) => {
    atMost(positionals, 0)
    const projects = await allProjects(api)
    if (values.json) {
      write(`${JSON.stringify(projects)}\n`)
      return 0
    }
    if (projects.length === 0) printer.note('There is no project yet; keelson chat "…" makes a sample one.')
    for (const { id, name, source, activeTaskId } of projects) {
      const busy = activeTaskId === null ? '' : `  ${activeTaskId} runs`
      printer.note(`${id}  ${source.kind.padEnd(7)} ${clean(name).replaceAll(/\s+/g, ' ')}${busy}`)
    }
    return 0
  },
})
