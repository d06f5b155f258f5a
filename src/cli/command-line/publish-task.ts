import { EXIT } from '../exit-codes.ts'
import { publishTask, showPublication } from '../publish-work.ts'
import { defineCommand } from './command.ts'
import { newestTaskId, projectsNamed } from './newest-tasks.ts'
import { atMost, JSON_OPTION, PROJECT_OPTION } from './shared-options.ts'

/** `keelson publish`: pushes a task's change and waits for the end. Ends with 0 when it is published, else 1. */
export const publishCommand = defineCommand({
  name: 'publish',
  words: '[TASK]',
  what: 'pushes what a task changed to a branch; without one, the newest task',
  options: {
    ...PROJECT_OPTION,
    pr: { type: 'boolean', what: 'opens a pull request, or brings the one that is open up to date' },
    draft: { type: 'boolean', what: 'opens it as a draft' },
    fork: { type: 'boolean', what: 'pushes to your own fork, made when there is none' },
    branch: { type: 'string', value: 'NAME', what: 'another branch than keelson/… of the conversation' },
    title: { type: 'string', value: 'TEXT', what: 'of the commit and the pull request' },
    'allow-workflow-files': { type: 'boolean', what: 'although it touches what makes the host run something' },
    ...JSON_OPTION,
  },
  completes: 'task',
  notes: 'Waits for a person where the project wants one. Ends with 0 when it is published, 1 when it failed.',
  run: async ({ values, positionals }, { api, printer, write }) => {
    atMost(positionals, 1)
    const taskId = positionals[0] ?? (await newestTaskId(api, await projectsNamed(api, values.project)))
    const wish = {
      ...(values.branch === undefined ? {} : { branch: values.branch }),
      ...(values.title === undefined ? {} : { title: values.title }),
      pullRequest: values.pr === true || values.draft === true,
      draft: values.draft === true,
      ...(values.fork === true ? { fork: true } : {}),
      allowWorkflowFiles: values['allow-workflow-files'] === true,
    }
    const publication = await publishTask(api, taskId, wish, (approvalId) => {
      if (!values.json) printer.note(`It waits for a person: approve ${approvalId} on the page or in a chat.`, 'yellow')
      return Promise.resolve('wait')
    })
    if (values.json) write(`${JSON.stringify(publication)}\n`)
    const isGood = values.json ? publication.status === 'finished' : showPublication(printer, publication)
    return isGood ? EXIT.good : EXIT.bad
  },
})
