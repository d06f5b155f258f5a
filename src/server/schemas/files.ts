/** A project’s files as they are now. */

import { z } from '@hono/zod-openapi'
import { RelativePath, whole } from './fields.ts'

export const FilesQuery = z.object({
  path: RelativePath.default(''),
  depth: whole(1, 20).transform((depth) => depth ?? 1),
})

export const ContentQuery = z.object({
  path: RelativePath.min(1),
  offset: whole(0, Number.MAX_SAFE_INTEGER).transform((offset) => offset ?? 0),
  length: whole(1, 1024 * 1024),
})

export const TreeSchema = z
  .object({
    path: z.string(),
    entries: z.array(z.object({ name: z.string(), path: z.string(), kind: z.string(), sizeBytes: z.number() })),
    truncated: z.boolean(),
  })
  .openapi('FileTree')

export const ContentSchema = z
  .object({
    path: z.string(),
    sizeBytes: z.number(),
    encoding: z.enum(['utf-8', 'base64']),
    content: z.string(),
    binary: z.boolean(),
    truncated: z.boolean(),
  })
  .openapi('FileContent')
