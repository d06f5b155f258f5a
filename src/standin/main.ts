/**
 * The scripted model server as a process of its own:
 * `node main.js [--port N] [--host H] [--policy NAME] [--ttft-ms N] [--tps N] [--jitter 0..1]`.
 * Prints one line of JSON, `{"url":"http://…"}`, once it listens; ends at SIGTERM or SIGINT.
 */

import { parseArgs } from 'node:util'
import { z } from 'zod'
import { isPolicyName, POLICIES } from './policies/index.ts'
import { type ScriptedServer, startScriptedServer } from './server.ts'

const ArgsSchema = z.strictObject({
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  host: z.string().min(1).default('127.0.0.1'),
  policy: z
    .string()
    .refine(isPolicyName, `must be one of ${Object.keys(POLICIES).join(', ')}`)
    .default('demo'),
  'ttft-ms': z.coerce.number().min(0).default(0),
  tps: z.coerce.number().min(0).default(0),
  jitter: z.coerce.number().min(0).max(1).default(0),
})

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      policy: { type: 'string' },
      'ttft-ms': { type: 'string' },
      tps: { type: 'string' },
      jitter: { type: 'string' },
    },
  })
  const args = ArgsSchema.parse(values)
  const server = await startScriptedServer({
    port: args.port,
    host: args.host,
    policy: POLICIES[args.policy as keyof typeof POLICIES],
    ttftMs: args['ttft-ms'],
    tokensPerSecond: args.tps,
    jitter: args.jitter,
  })
  closeOnSignal(server)
  process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
}

function closeOnSignal(server: ScriptedServer): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close())
}

main().catch((error: unknown) => {
  const message =
    error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error)
  process.stderr.write(`scripted model server: ${message}\n`)
  process.exitCode = 1
})
