/**
 * What HTTP takes and gives, a file for each group of routes; here lie the parts that several share. The checks, the
 * handlers' types and openapi.json all come from these files. Objects that come in are strict: an unknown field is refused,
 * since it is a misunderstanding that would otherwise go unnoticed.
 */

import { isAbsolute, posix } from 'node:path'
import { z } from '@hono/zod-openapi'

/** Every error answer. */
export const ErrorSchema = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      retryable: z.boolean().optional(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
    requestId: z.string(),
  })
  .openapi('Error')

/** An id in a path or body: 1 to 128 characters; one of another kind names nothing. */
export const IdSchema = z.string().regex(/^[\w.:-]{1,128}$/)

/** The path of a project. */
export const ProjectParams = z.object({ projectId: IdSchema })

/** The path of a conversation. */
export const ConversationParams = z.object({ conversationId: IdSchema })

/** The path of a task. */
export const TaskParams = z.object({ taskId: IdSchema })

/** `?limit=` means the same as no `limit`. Pure. */
export const emptyAsAbsent = (value: unknown): unknown => (value === '' ? undefined : value)

/** A whole number of a query, within bounds; undefined when it is not there. */
export const whole = (min: number, max: number) =>
  z.preprocess(
    emptyAsAbsent,
    z
      .string()
      .regex(/^\d{1,12}$/, 'must be a whole number')
      .transform(Number)
      .pipe(z.number().min(min).max(max))
      .optional(),
  )

/** Which part of a listing: at most 200 items, 50 when nothing is said. */
export const PageQuery = z.object({
  after: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  limit: whole(1, 200).transform((limit) => limit ?? 50),
})

/** The same for what is listed oldest or newest first. */
export const OrderedPageQuery = PageQuery.extend({ order: z.enum(['oldest', 'newest']).default('oldest') })

/** A path in a workspace, or nothing for its root; the sandbox itself keeps it inside. */
export const RelativePath = z
  .string()
  .max(4_096)
  .refine((path) => !path.includes('\0'), 'must not contain NUL characters')

/** The path of a file, in its shortest form. */
export const FilePath = RelativePath.min(1).refine(
  (path) => !isAbsolute(path) && posix.normalize(path) === path && !/^\.\.(?:\/|$)/.test(path) && !path.endsWith('/'),
  'must be a relative path inside the project, without . or .. parts',
)

/** A request that says nothing more: no body, or `{}`. */
export const NoBody = z.strictObject({})

/** ISO 8601 in UTC. */
export const Time = z.iso.datetime()

/** How large a change is. */
export const Stat = z.object({ files: z.number(), added: z.number(), removed: z.number() }).openapi('DiffStat')

/** A page of a listing. */
export const listOf = (item: z.ZodType) => z.object({ items: z.array(item), nextAfter: z.string().nullable() })

/** Places that checkpoints leave out and that a task changed. */
export const LeftOutList = z
  .array(
    z.object({
      path: z.string(),
      kind: z.enum(['dependencies', 'build', 'cache', 'git', 'unseen', 'large']),
      files: z.number().openapi({ description: 'How many files came, went or changed' }),
      replaced: z.number().openapi({ description: 'How many of them were there before' }),
      examples: z.array(z.string()),
    }),
  )
  .openapi({ description: 'Places that checkpoints do not hold and in which something changed' })
