import { createHash } from 'node:crypto'
import type { Db } from '../db/client.ts'
import { nameService } from '../db/workspace/named-service.ts'
import { noteViewed } from '../db/workspace/previews.ts'
import { addService, findService, listServices, requestStop, type ServiceRow } from '../db/workspace/services.ts'
import { DEFAULT_LIMITS } from '../sandbox/local-bwrap/limits.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { showOutput } from '../shared/text/clean-text.ts'
import type { AgentService, ServiceDesk } from '../tools/service-desk.ts'

const LOG_HEAD_BYTES = 2_000
const LOG_TAIL_BYTES = 8_000

/** The services of a sandbox's project, for its agent; undefined where services cannot be run. */
export function createServiceDesk(db: Db, sandbox: Sandbox): ServiceDesk | undefined {
  if (sandbox.services === undefined) return undefined
  const { projectId } = sandbox.ref
  const find = async (id: string): Promise<ServiceRow | null> => {
    const row = await findService(db, id)
    if (row === null || row.projectId !== projectId) return null
    // Who works with it looks at it.
    await noteViewed(db, id)
    return row
  }
  return {
    async start(callId, given) {
      const named = await nameService(db, projectId, given)
      const maxOnHost = DEFAULT_LIMITS.maxServices
      const asked = { ...named, id: serviceIdFor(callId), startedBy: 'agent' as const, maxOnHost }
      return toAgentService((await addService(db, projectId, asked)).service)
    },
    list: async () => (await listServices(db, projectId)).map(toAgentService),
    async find(id) {
      const row = await find(id)
      return row && toAgentService(row)
    },
    stop: (id) => requestStop(db, id),
    async log(id) {
      const row = await find(id)
      if (row === null) return ''
      try {
        return showOutput(await sandbox.output(row.execId, { headBytes: LOG_HEAD_BYTES, tailBytes: LOG_TAIL_BYTES }))
      } catch (error) {
        // It was not started yet, or its record is gone.
        if (error instanceof AppError && error.code === 'sandbox_bad_request') return row.tail
        throw error
      }
    },
  }
}

function toAgentService(row: ServiceRow): AgentService {
  const { id, name, command, state, port, ports, exitCode, reason } = row
  return { id, name, command, state, port, ports, exitCode, reason }
}

/** The same for every attempt of one call. */
function serviceIdFor(callId: string): string {
  return `svc-${createHash('sha256').update(callId).digest('hex').slice(0, 22)}`
}
