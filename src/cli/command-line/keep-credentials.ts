import { type Api, ApiError } from '../api.ts'
import { EXIT } from '../exit-codes.ts'
import { readSecret } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'
import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

interface Credential {
  readonly id: string
  readonly kind: string
  readonly host: string
  readonly username?: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

/** `keelson credentials`: stores, lists and removes tokens of git hosts; never prints one. */
export const credentialsCommand = defineCommand({
  name: 'credentials',
  words: '[HOST]',
  what: 'stores a token for a git host, which is asked for or read from the input; without a host, lists what is stored',
  options: {
    user: { type: 'string', value: 'NAME', what: 'the name that goes with it, where the host looks at it' },
    remove: { type: 'boolean', what: 'removes what is stored for the host' },
    ...JSON_OPTION,
  },
  notes: 'Without typing it: gh auth token | keelson credentials github.com. The value never comes out again.',
  run: async ({ values, positionals }, { api, printer, write }) => {
    atMost(positionals, 1)
    const host = positionals[0] === undefined ? undefined : hostOf(positionals[0])
    const show = (answer: object, sentence: string) =>
      values.json ? write(`${JSON.stringify(answer)}\n`) : printer.note(sentence)
    if (host === undefined) {
      if (values.remove === true || values.user !== undefined) throw new UsageError('Name the host.')
      const items = await stored(api)
      if (values.json) write(`${JSON.stringify(items)}\n`)
      else if (items.length === 0) printer.note('Nothing is stored; keelson credentials HOST stores a token.')
      else for (const each of items) printer.note(lineOf(each))
      return EXIT.good
    }
    if (values.remove === true) {
      const own = (await stored(api)).filter((each) => each.kind === 'git' && each.host === host)
      if (own.length === 0) throw new ApiError(`Nothing is stored for ${host}.`, 404, 'not_found')
      for (const { id } of own) await api.insist('DELETE', `/api/credentials/${encodeURIComponent(id)}`)
      show({ host, removed: own.length }, `What was stored for ${host} is removed.`)
      return EXIT.good
    }
    const value = await readSecret(`Token for ${host} (it is not shown): `)
    if (value === '') throw new UsageError('There was no token to store.')
    const made = await api.call<Credential>('POST', '/api/credentials', {
      kind: 'git',
      host,
      value,
      ...(values.user === undefined ? {} : { username: values.user }),
    })
    show(made, `Stored for ${made.host}.`)
    return EXIT.good
  },
})

/** The host of an address, or what was typed for one. */
function hostOf(typed: string): string {
  return /^https:\/\//i.test(typed) && URL.canParse(typed) ? new URL(typed).host : typed
}

async function stored(api: Api): Promise<readonly Credential[]> {
  return (await api.insist<{ items: readonly Credential[] }>('GET', '/api/credentials')).items
}

function lineOf({ host, kind, username, createdAt, lastUsedAt }: Credential): string {
  const name = username === undefined ? '' : ` as ${username}`
  const used = lastUsedAt === null ? 'not used yet' : `last used ${lastUsedAt.slice(0, 10)}`
  return `${host}${name} (${kind}), stored ${createdAt.slice(0, 10)}, ${used}`
}
