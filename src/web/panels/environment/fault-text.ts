import type { EnvironmentBody } from '../../../shared/environment.ts'

/** How the lists of an environment are called on the page. */
const LISTS: Readonly<Record<string, string>> = {
  'network.hosts': 'Hosts',
  'setup.commands': 'Set-up commands',
  variables: 'Variables',
  'approvals.commands': 'Commands that wait for a person',
  'approvals.paths': 'Paths that wait for a person',
  'approvals.hosts': 'Hosts that wait for a person',
  'approvals.remembered': 'Remembered decisions',
}
const SINGLE: Readonly<Record<string, string>> = {
  'approvals.expiresInHours': 'Hours to wait for a decision',
}
const MAX_QUOTED = 60

/**
 * What the server says is wrong, one sentence an item, with the names that stand on the page: `approvals.paths[1]` becomes
 * "Paths that wait for a person, line 2 (“*”)". Pure; empty when the server named no field.
 */
export function faultTexts(details: Readonly<Record<string, unknown>>, sent: EnvironmentBody): string[] {
  return Object.entries(details).flatMap(([field, problem]) => {
    if (typeof problem !== 'string') return []
    const [, list = '', index] = /^(.+?)\[(\d+)\]/.exec(field) ?? []
    if (index === undefined) return [`${LISTS[field] ?? SINGLE[field] ?? field}: ${problem}`]
    const item = itemOf(sent, list, Number(index))
    const quoted = item === null ? '' : ` (“${item.length > MAX_QUOTED ? `${item.slice(0, MAX_QUOTED)}…` : item}”)`
    return [`${LISTS[list] ?? list}, line ${Number(index) + 1}${quoted}: ${problem}`]
  })
}

function itemOf({ network, setup, variables, approvals }: EnvironmentBody, list: string, index: number): string | null {
  const lists: Readonly<Record<string, readonly string[] | undefined>> = {
    'network.hosts': network.hosts,
    'setup.commands': setup.commands.map(({ name }) => name),
    variables: variables.map(({ name }) => name),
    'approvals.commands': approvals?.commands,
    'approvals.paths': approvals?.paths,
    'approvals.hosts': approvals?.hosts,
  }
  return lists[list]?.[index] ?? null
}
