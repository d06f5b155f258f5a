/** A project’s environment and the context made of its files. */

import { z } from '@hono/zod-openapi'
import { NETWORK_POLICIES } from '../../shared/network.ts'
import { Time } from './fields.ts'

/** What a project's tasks are told of it. */
export const ContextSchema = z
  .object({
    markdown: z.string(),
    hash: z.string(),
    generatedAt: Time,
    tokens: z.number(),
    sources: z.array(z.string()),
  })
  .openapi('ProjectContext')

/** A project's environment with the state of its set-up. */
export const EnvironmentSchema = z
  .object({
    version: z.number(),
    network: z.object({ policy: z.enum(NETWORK_POLICIES), hosts: z.array(z.string()) }),
    approvals: z
      .object({
        commands: z.array(z.string()),
        paths: z.array(z.string()),
        hosts: z.array(z.string()),
        publishing: z.boolean().openapi({ description: 'Whether each publication waits for a person' }),
        expiresInHours: z.number(),
        remembered: z.array(
          z.object({
            kind: z.enum(['command', 'path']),
            subject: z.string(),
            decision: z.enum(['approve', 'deny']),
            at: Time,
          }),
        ),
      })
      .openapi({ description: 'What needs a person before it is done' }),
    setup: z.object({
      enabled: z.boolean(),
      commands: z.array(
        z.object({
          name: z.string(),
          command: z.string(),
          cwd: z.string().optional(),
          source: z.enum(['detected', 'custom']),
        }),
      ),
    }),
    variables: z.array(z.object({ name: z.string(), value: z.string() })),
    services: z.array(z.object({ name: z.string(), command: z.string(), port: z.number().optional() })),
    status: z.object({
      state: z.enum(['never', 'running', 'ready', 'failed', 'stale', 'none']),
      at: z.string().optional(),
      durationMs: z.number().optional(),
      exitCode: z.number().optional(),
      fromCache: z.boolean().optional().describe('The last run took what an earlier one had installed.'),
      output: z.string().optional(),
    }),
    registries: z
      .array(z.object({ tool: z.string(), hosts: z.array(z.string()) }))
      .openapi({ description: "What this host's package managers said that they use" }),
    toolchains: z.array(z.object({ name: z.string(), version: z.string() })),
    leftOut: z.array(z.object({ path: z.string(), reason: z.string() })),
    workspace: z.enum(['read', 'unavailable']).openapi({ description: 'Whether the files could be looked at' }),
    proposal: z
      .object({ path: z.string(), text: z.string() })
      .optional()
      .openapi({ description: "The project's own wish, which holds nothing until a person takes it over" }),
  })
  .openapi('Environment')
