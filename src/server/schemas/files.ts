/** A project’s files as they are now. */

import { z } from '@hono/zod-openapi'
import { RelativePath, whole } from './fields.ts'

/** Which directory, and how many levels below it. */
export const FilesQuery = z.object({
  path: RelativePath.default(''),
  depth: whole(1, 20).transform((depth) => depth ?? 1),
})

/** Which part of a file, in bytes; at most 1 MiB. */
export const ContentQuery = z.object({
  path: RelativePath.min(1),
  offset: whole(0, Number.MAX_SAFE_INTEGER).transform((offset) => offset ?? 0),
  length: whole(1, 1024 * 1024),
})

/** A directory with what lies in it; `unlisted`: where names are missing and how many, null when nobody counted them. */
export const TreeSchema = z
  .object({
    path: z.string(),
    entries: z.array(z.object({ name: z.string(), path: z.string(), kind: z.string(), sizeBytes: z.number() })),
    truncated: z.boolean(),
    unlisted: z.array(z.object({ path: z.string(), names: z.number().nullable() })),
  })
  .openapi('FileTree')

/** A part of a file: as text when it is UTF-8, otherwise in base64. */
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
