/** Checkpoints, what lies between them, and ways back to them. */

import { z } from '@hono/zod-openapi'
import { nonBlankText } from '../text.ts'
import { emptyAsAbsent, FilePath, IdSchema, LeftOutList, listOf, RelativePath, Stat, Time, whole } from './fields.ts'

/** The path of a checkpoint. */
export const CheckpointParams = z.object({ checkpointId: IdSchema })

const MAX_CONTEXT_LINES = 100_000

/** Between which checkpoints, of which file, with how many unchanged lines around. */
export const DiffQuery = z.object({
  from: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  to: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  path: z
    .preprocess(emptyAsAbsent, RelativePath.optional())
    .openapi({ description: 'Only this file, or the files in this directory' }),
  context: whole(0, MAX_CONTEXT_LINES).openapi({
    description: 'Unchanged lines around each change, 3 when nothing is said',
  }),
})

/** A checkpoint. */
export const CheckpointSchema = z
  .object({
    id: z.string(),
    taskId: z.string().nullable().openapi({ description: 'null for one that records a restore' }),
    turn: z.number(),
    treeHash: z.string(),
    label: z.string(),
    stat: Stat,
    restoredFrom: z.string().optional().openapi({ description: 'The checkpoint whose files came back' }),
    droppedAt: Time.optional().openapi({ description: 'Since when its files are not kept any more' }),
    createdAt: Time,
  })
  .openapi('Checkpoint')

/** Checkpoints, a page at a time. */
export const CheckpointListSchema = listOf(CheckpointSchema)

const MAX_CHOSEN_PATHS = 1_000

/** All of a checkpoint, or at most 1,000 of its files. */
export const RestoreBody = z
  .strictObject({
    paths: z
      .array(FilePath)
      .min(1)
      .max(MAX_CHOSEN_PATHS)
      .optional()
      .openapi({ description: 'All files when left out' }),
  })
  .openapi('Restore')

/** Whether a checkpoint goes on as a conversation or as a project of its own. */
export const ForkBody = z
  .strictObject({ into: z.enum(['conversation', 'project']), name: nonBlankText(200).optional() })
  .openapi('Fork')

/** What lies between two checkpoints, cut where it says so. */
export const DiffSchema = z
  .object({
    from: z.string().nullable(),
    to: z.string().nullable(),
    stat: Stat,
    files: z.array(
      z.object({ path: z.string(), kind: z.string(), added: z.number(), removed: z.number(), binary: z.boolean() }),
    ),
    patch: z.string(),
    truncated: z.boolean(),
    leftOut: LeftOutList,
  })
  .openapi('Diff')
