/** The installation itself: its health, its sessions and its event streams. */

import { z } from '@hono/zod-openapi'

/** From where a stream goes on, and which topics it has. */
export const EventsQuery = z.object({
  after: z.string().optional().openapi({ description: 'The last seq you have; Last-Event-ID means the same' }),
  topics: z.string().optional().openapi({ description: 'messages,status,file-changes,terminal; all when left out' }),
})

/** What a browser signs in with: the token of the printed link, once, or the API token. */
export const SessionBody = z
  .strictObject({
    setupToken: z.string().min(1).max(200).optional(),
    apiToken: z.string().min(1).max(1_000).optional(),
  })
  .transform(({ setupToken, apiToken }, context) => {
    if (setupToken !== undefined && apiToken === undefined) return { setupToken }
    if (apiToken !== undefined && setupToken === undefined) return { apiToken }
    context.addIssue({ code: 'custom', path: ['setupToken'], message: 'send either setupToken or apiToken' })
    return z.NEVER
  })

/** Which browsers are signed out. */
export const SignOutBody = z.strictObject({
  everywhere: z.boolean().default(false).openapi({ description: 'End the sign-ins of all browsers' }),
})

/** An event, as streams and listings have it. */
export const EnvelopeSchema = z
  .object({
    v: z.literal(1),
    type: z.string(),
    seq: z.number().optional(),
    projectId: z.string(),
    conversationId: z.string().optional(),
    taskId: z.string().optional(),
    turn: z.number().optional(),
    at: z.number(),
  })
  .loose()
  .openapi('StreamEvent', { description: 'The JSON in the data field of each frame; the frame is named by its topic' })

/** Whether a process lives, and its parts. */
export const HealthSchema = z.object({ status: z.string(), parts: z.record(z.string(), z.string()).optional() })

/** `by` and `detail` may name this host's users and paths: only who has the token is told them. */
export const ReadySchema = HealthSchema.extend({
  sandbox: z
    .object({
      kind: z.string(),
      ok: z.boolean(),
      detail: z.string().optional(),
      protections: z.array(
        z.object({ name: z.string(), holds: z.boolean(), by: z.string().optional(), detail: z.string().optional() }),
      ),
    })
    .nullable(),
})
