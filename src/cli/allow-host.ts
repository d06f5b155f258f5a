import type { EnvironmentAnswer } from './answers.ts'
import { cleanLine } from './clean-text.ts'
import { EXIT } from './exit-codes.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

/**
 * `/allow HOST`: the project's commands may reach a host from now on, those that run already included. An `open` policy stays
 * open. Saved with the version that was read: throws `ApiError` `version_conflict` when somebody saved in between. Twice is fine.
 */
export async function allowHost(session: Session, host: string): Promise<number> {
  const { api, options, printer, project } = session
  if (!/^[\w.*-]+$/.test(host)) throw new UsageError('/allow takes the name of one host, such as example.org.')
  const path = `/api/workspace/${encodeURIComponent(project.id)}/environment`
  const before = await api.insist<EnvironmentAnswer>('GET', path)
  const { network, setup, variables, services = [] } = before
  const commands = setup.commands
    .filter(({ source }) => source === 'custom')
    .map(({ source: _source, ...command }) => command)
  const body = {
    network: {
      policy: network.policy === 'open' ? 'open' : 'hosts',
      hosts: [...new Set([...network.hosts, host.toLowerCase()])],
    },
    setup: { enabled: setup.enabled, commands },
    variables,
    services,
  }
  const saved = await api.save<EnvironmentAnswer>(path, before.version, body)
  if (options.json) session.writeJson(saved)
  const hosts = saved.network.hosts.map((each) => cleanLine(each)).join(', ')
  printer.note(`Allowed for this project. Network: ${cleanLine(saved.network.policy)} (${hosts})`, 'green')
  return EXIT.good
}
