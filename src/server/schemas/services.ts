/** Programs that keep running, and their previews. */

import { z } from '@hono/zod-openapi'
import { MAX_SERVICE_COMMAND_CHARACTERS } from '../../shared/service.ts'
import { nonBlankText } from '../text.ts'
import { IdSchema, ProjectParams, Time } from './fields.ts'

/** The path of a service. */
export const ServiceParams = ProjectParams.extend({ serviceId: IdSchema })

/** A service that is to run. */
export const ServiceBody = z
  .strictObject({
    name: nonBlankText(100)
      .refine((name) => !/[\r\n]/.test(name), 'must be one line')
      .optional()
      .openapi({ description: "Alone: one of the environment's services; with a command: what it is called" }),
    command: nonBlankText(MAX_SERVICE_COMMAND_CHARACTERS).optional(),
    port: z.number().int().min(1).max(65_535).optional().openapi({ description: 'The port that its preview shows' }),
  })
  .refine(({ name, command }) => name !== undefined || command !== undefined, {
    path: ['command'],
    message: "give a command, or the name of one of the environment's services",
  })
  .openapi('NewService')

/** A service. */
export const ServiceSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    name: z.string(),
    command: z.string(),
    state: z.enum(['starting', 'listening', 'exited', 'stopped']),
    port: z.number().nullable().openapi({ description: 'The port that its preview shows' }),
    ports: z.array(z.number()).openapi({ description: 'All that it listens on, at most 16' }),
    startedBy: z.enum(['user', 'agent']),
    exitCode: z.number().nullable(),
    reason: z.string().optional(),
    tail: z.string().openapi({ description: 'The end of its output' }),
    createdAt: Time,
    endedAt: Time.nullable(),
  })
  .openapi('Service')

/** The services of a project, and how many there may be. */
export const ServicesSchema = z.object({
  items: z.array(ServiceSchema),
  nextAfter: z.string().nullable(),
  limits: z.object({ perProject: z.number(), perHost: z.number() }),
})

/** Where a browser sees a service's pages. */
export const PreviewSchema = z
  .object({
    url: z.string(),
    origin: z.string(),
    form: z.enum(['host', 'path']).openapi({
      description: 'path: no host name below ours can be had, so absolute paths of the page lead elsewhere',
    }),
    expiresInSeconds: z.number().nullable().openapi({ description: 'null: as long as the service runs' }),
  })
  .openapi('Preview')

/** The end of a service's output. */
export const ServiceLogSchema = z
  .object({ serviceId: z.string(), text: z.string(), sizeBytes: z.number(), truncated: z.boolean() })
  .openapi('ServiceLog')
