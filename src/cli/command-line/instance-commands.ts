import { CHAT_OPTIONS } from '../options.ts'
import { type Command, defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

/** `keelson start`: runs the instance until it is told to end. */
export const startCommand = defineCommand({
  name: 'start',
  what: 'gets what is missing, starts everything and keeps it running until Ctrl-C',
  options: { json: { type: 'boolean', what: 'once it runs, one object with its address on standard output' } },
  run: async ({ values, positionals }, { host }) => {
    atMost(positionals, 0)
    return await host.start({ json: values.json ?? false })
  },
})

/** `keelson stop`: ends what runs from the home directory; again it finds nothing to end. */
export const stopCommand = defineCommand({
  name: 'stop',
  what: 'stops what runs from this home directory; the next start finds everything again',
  options: JSON_OPTION,
  run: async ({ values, positionals }, { host }) => {
    atMost(positionals, 0)
    return await host.stop({ json: values.json ?? false })
  },
})

/** `keelson status`: tells how each part is. Ends with 0 when all is well, else 1. */
export const statusCommand = defineCommand({
  name: 'status',
  what: 'tells what runs and how each part is',
  options: JSON_OPTION,
  notes: 'Ends with 0 when all is well, 1 otherwise.',
  run: async ({ values, positionals }, { host }) => {
    atMost(positionals, 0)
    return await host.status({ json: values.json ?? false })
  },
})

/** `keelson chat`: a program of its own, which reads its words itself. */
export const chatCommand: Command = {
  name: 'chat',
  words: '["message"]',
  what: 'posts a message and shows its task to the end; without one, a prompt',
  options: CHAT_OPTIONS,
  completes: 'nothing',
  run: async (words, { host }) => await host.chat(words),
}
