import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

/** `keelson token`: prints the API token of the running instance. */
export const tokenCommand = defineCommand({
  name: 'token',
  what: 'prints the API token of the running instance',
  options: JSON_OPTION,
  notes: 'For calls of your own: curl -H "Authorization: Bearer $(keelson token)" …; --json tells the address as well.',
  run: async ({ values, positionals }, { api, write }) => {
    atMost(positionals, 0)
    const { url, apiToken } = await api.instance()
    write(values.json ? `${JSON.stringify({ url, apiToken })}\n` : `${apiToken}\n`)
    return 0
  },
})
