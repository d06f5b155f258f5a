/** A project's long-lived commands, as API, page and database write them. */

/** `starting`: it runs and listens on nothing yet. `exited`: it ended by itself or was lost. `stopped`: somebody ended it. */
export type ServiceState = 'starting' | 'listening' | 'exited' | 'stopped'

/** What everybody who is shown a service is told of it, whether by the API or by the agent's tool. */
export interface ServiceFacts {
  readonly id: string
  readonly name: string
  readonly command: string
  readonly state: ServiceState
  /** The port that its preview shows; null while it listens on none. */
  readonly port: number | null
  /** All that it listens on. */
  readonly ports: readonly number[]
  readonly exitCode: number | null
}

/** Running at a time: of one project, whoever starts them. */
export const MAX_SERVICES_PER_PROJECT = 3
/** The longest command of a service. */
export const MAX_SERVICE_COMMAND_CHARACTERS = 10_000

/** Whether it has ended. Pure. */
export function isEnded(state: ServiceState): boolean {
  return state === 'exited' || state === 'stopped'
}
