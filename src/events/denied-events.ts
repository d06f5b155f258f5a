import type { NetworkDenial } from '../shared/network.ts'
import type { EventScope, NewEvent } from './topics.ts'

/** Who asked for what was refused. `key` is unique for a run of the command, so that a repeat tells nothing twice. */
export interface DeniedBy {
  readonly key: string
  readonly command: string
  readonly toolUseId?: string
}

const MAX_COMMAND_CHARACTERS = 500
const MAX_DENIED_EVENTS = 20

/** One event for each host and port that a command was refused, at most 20. Pure. */
export function deniedEvents(scope: EventScope, denials: readonly NetworkDenial[], by: DeniedBy): NewEvent[] {
  const { key, command, toolUseId } = by
  return distinctDenials(denials)
    .slice(0, MAX_DENIED_EVENTS)
    .map(({ host, port, reason }) => ({
      type: 'network.denied',
      key: `network.denied:${key}:${host}:${port}`,
      scope,
      payload: {
        host,
        port,
        reason,
        command: command.slice(0, MAX_COMMAND_CHARACTERS),
        ...(toolUseId === undefined ? {} : { toolUseId }),
      },
    }))
}

/** Each host and port once, with what was said of it last. Pure. */
export function distinctDenials(denials: readonly NetworkDenial[]): NetworkDenial[] {
  return [...new Map(denials.map((denial) => [`${denial.host}:${denial.port}`, denial])).values()]
}
