import { makeLinkToken } from '../../shared/sign-in-link.ts'
import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

/** `keelson open`: opens the page by a link that signs in once. */
export const openCommand = defineCommand({
  name: 'open',
  what: 'opens the page in the browser, signed in by a link that works once, for ten minutes',
  options: { print: { type: 'boolean', what: 'only print the link' }, ...JSON_OPTION },
  run: async ({ values, positionals }, { api, host, printer, write }) => {
    atMost(positionals, 0)
    const { url, apiToken } = await api.instance()
    // Somebody may have killed it: a page that does not answer is worse than a sentence.
    await api.call('GET', '/api/projects?limit=1')
    const link = `${url}/#setup=${makeLinkToken(apiToken, Date.now())}`
    const isOpened = !values.print && !values.json && (await host.browse(link))
    if (values.json) write(`${JSON.stringify({ url, link })}\n`)
    else if (isOpened) printer.note(`Opened ${url} in the browser; keelson open --print prints a link instead.`)
    else write(`${link}\n`)
    return 0
  },
})
