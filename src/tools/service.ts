import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../shared/errors.ts'
import { isEnded, MAX_SERVICE_COMMAND_CHARACTERS } from '../shared/service.ts'
import { defineTool, refusal } from './define-tool.ts'
import type { AgentService, ServiceDesk } from './service-desk.ts'
import type { ToolContext, ToolResult } from './tool.ts'

const WAIT_MS = 45_000
const POLL_MS = 250

const ServiceInputSchema = z.strictObject({
  action: z.enum(['start', 'list', 'log', 'stop']),
  command: z
    .string()
    .min(1)
    .max(MAX_SERVICE_COMMAND_CHARACTERS)
    .refine((text) => !text.includes('\0'), 'must not hold a NUL character')
    .optional()
    .describe('For start: the command, e.g. "npm run dev". It must stay in the foreground.'),
  name: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('For start: one of the project’s services, instead of a command.'),
  port: z.number().int().min(1).max(65_535).optional().describe('For start: the port it will listen on, if known.'),
  id: z.string().max(128).optional().describe('For log and stop: the id that start or list gave.'),
})

type ServiceInput = z.infer<typeof ServiceInputSchema>

/** Starts, lists and stops servers that outlive a command and the task. A repeat of a call starts nothing twice. */
export const service = defineTool<ServiceInput>({
  name: 'service',
  description: [
    'Runs a server that stays up after the call, such as a dev server: start waits until it listens (at most 45 seconds)',
    'and says on which port; your bash commands then reach it at http://localhost:PORT, and the user sees its page beside',
    'the work. It stays up when the task ends, so stop what nobody needs any more. log shows what it printed, list all of',
    'them. At most three run at a time. Use bash for everything that ends by itself.',
  ].join('\n'),
  schema: ServiceInputSchema,
  readOnly: false,
  async run(input, context) {
    const desk = context.services
    if (desk === undefined) return refusal('Services are not available in this sandbox.')
    try {
      return await act(desk, input, context)
    } catch (error) {
      const isForModel = error instanceof AppError && (error.code === 'bad_request' || error.code === 'service_limit')
      if (isForModel) return refusal(error.message)
      throw error
    }
  },
})

async function act(desk: ServiceDesk, input: ServiceInput, context: ToolContext): Promise<ToolResult> {
  const { action, id } = input
  if (action === 'list') {
    const all = await desk.list()
    return { content: all.length === 0 ? 'There are no services.' : all.map(describe).join('\n'), isError: false }
  }
  if (action === 'start') {
    const { name, command, port } = input
    if (name === undefined && command === undefined) return refusal('Give the command to start.')
    const started = await desk.start(`${context.taskId}:${context.toolUseId}`, { name, command, port })
    return await settled(desk, started, context)
  }
  const known = id === undefined ? null : await desk.find(id)
  if (known === null)
    return refusal(`Give the id of a service; there are:\n${(await desk.list()).map(describe).join('\n')}`)
  if (action === 'log') return { content: `${describe(known)}\n${await desk.log(known.id)}`, isError: false }
  await desk.stop(known.id)
  for (let state = known.state, waitedMs = 0; !isEnded(state) && waitedMs < WAIT_MS; waitedMs += POLL_MS) {
    context.onProgress()
    await sleep(POLL_MS, undefined, { signal: context.signal })
    state = (await desk.find(known.id))?.state ?? 'stopped'
  }
  return { content: `${known.id} is stopped.`, isError: false }
}

/** Waits until it listens, has ended, or takes long; then says where it stands. */
async function settled(desk: ServiceDesk, started: AgentService, context: ToolContext): Promise<ToolResult> {
  let now = started
  for (let waitedMs = 0; now.state === 'starting' && waitedMs < WAIT_MS; waitedMs += POLL_MS) {
    context.onProgress()
    await sleep(POLL_MS, undefined, { signal: context.signal })
    now = (await desk.find(started.id)) ?? now
  }
  const log = await desk.log(now.id)
  const printed = log.trim() === '' ? '(no output yet)' : log
  const waits = now.state === 'starting' ? '\nIt does not listen yet; look at its log again a little later.' : ''
  return { content: `${describe(now)}${waits}\n${printed}`, isError: isEnded(now.state) }
}

function describe({ id, name, state, port, ports, exitCode, reason }: AgentService): string {
  const others = ports.filter((each) => each !== port)
  const where =
    state === 'listening'
      ? ` at http://localhost:${port}${others.length > 0 ? `, also on ${others.join(', ')}` : ''}`
      : ''
  const how = isEnded(state) && exitCode !== null ? ` with exit code ${exitCode}` : ''
  return `${id} (${name}): ${state}${where}${how}${reason === null ? '' : `. ${reason}`}`
}
