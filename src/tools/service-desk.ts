import type { ServiceFacts } from '../shared/service.ts'

/** A service as the agent sees it. */
export interface AgentService extends ServiceFacts {
  readonly reason: string | null
}

/** The project's services, for the agent. All of it throws `store_unavailable` and the `sandbox_*` codes. */
export interface ServiceDesk {
  /**
   * Starts one, or returns the same one when the call is repeated under its id. Throws `bad_request` and `service_limit`
   * with a sentence for the model.
   */
  start(
    callId: string,
    given: {
      readonly name?: string | undefined
      readonly command?: string | undefined
      readonly port?: number | undefined
    },
  ): Promise<AgentService>
  list(): Promise<readonly AgentService[]>
  /** Null for an id that the project does not have. */
  find(id: string): Promise<AgentService | null>
  /** Has it ended; safe to repeat. */
  stop(id: string): Promise<void>
  /** What it printed: the beginning and the end, cleaned. */
  log(id: string): Promise<string>
}
