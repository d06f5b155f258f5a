/**
 * What HTTP takes and gives, a file for each group of routes; here lie the parts that several share. The checks, the
 * handlers' types and openapi.json all come from these files. Objects that come in are strict: an unknown field is refused,
 * since it is a misunderstanding that would otherwise go unnoticed.
 */

import { isAbsolute, posix } from 'node:path'
import { z } from '@hono/zod-openapi'

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

export const IdSchema = z.string().regex(/^[\w.:-]{1,128}$/)

export const ProjectParams = z.object({ projectId: IdSchema })

export const ConversationParams = z.object({ conversationId: IdSchema })

export const TaskParams = z.object({ taskId: IdSchema })

export const emptyAsAbsent = (value: unknown): unknown => (value === '' ? undefined : value)

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

export const PageQuery = z.object({
  after: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  limit: whole(1, 200).transform((limit) => limit ?? 50),
})

export const OrderedPageQuery = PageQuery.extend({ order: z.enum(['oldest', 'newest']).default('oldest') })

export const RelativePath = z
  .string()
  .max(4_096)
  .refine((path) => !path.includes('\0'), 'must not contain NUL characters')

export const FilePath = RelativePath.min(1).refine(
  (path) => !isAbsolute(path) && posix.normalize(path) === path && !path.startsWith('..') && !path.endsWith('/'),
  'must be a relative path inside the project, without . or .. parts',
)

export const NoBody = z.strictObject({})

export const Time = z.iso.datetime()

export const Stat = z.object({ files: z.number(), added: z.number(), removed: z.number() }).openapi('DiffStat')

export const listOf = (item: z.ZodType) => z.object({ items: z.array(item), nextAfter: z.string().nullable() })

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
