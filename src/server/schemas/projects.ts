/** Projects, with what they are made from and may cost. */

import { isAbsolute } from 'node:path'
import { z } from '@hono/zod-openapi'
import { nonBlankText, wellFormedText } from '../text.ts'
import { FilePath, IdSchema, listOf, RelativePath, Time } from './fields.ts'

const limit = (whole: boolean) => {
  const amount = z.number().positive().max(100_000)
  return (whole ? amount.int() : amount).nullable().optional()
}

const LimitsSchema = z.strictObject({ maxUsd: limit(false), maxTurns: limit(true), maxMinutes: limit(false) })

const ProjectBudgetBody = z
  .strictObject({ task: LimitsSchema.optional(), project: LimitsSchema.optional(), day: LimitsSchema.optional() })
  .openapi('ProjectBudget', { description: 'What is not named stays; null lets the server’s default hold again' })

/** Git runs with these as arguments: nothing that it could take for an option or for a local path. */
const GitUrl = z.string().max(2_048).refine(isHttpsUrl, 'must be an https:// URL without credentials')

const GitRef = z.string().regex(/^(?!-)(?!.*\.\.)[\w./@+-]{1,200}$/, 'must be a branch, tag or commit name')

const MAX_NAME_BYTES = 255
/** So many files are named of those that cannot be made. */
const MAX_PROBLEMS = 20

/** Contents by path. All that no file system could hold is refused here: a project that cannot be filled is of no use. */
const SourceFiles = z.record(z.string(), wellFormedText(1024 * 1024)).superRefine((files, context) => {
  const paths = new Set(Object.keys(files))
  let problems = 0
  for (const path of paths) {
    const message = problemOf(path, paths)
    if (message === null) continue
    context.addIssue({ code: 'custom', path: [path], message })
    if (++problems === MAX_PROBLEMS) return
  }
})

function problemOf(path: string, paths: ReadonlySet<string>): string | null {
  const parsed = FilePath.safeParse(path)
  if (!parsed.success) return parsed.error.issues[0]?.message ?? 'is no path of a file'
  if (path === '.') return 'must be the path of a file, not of the project itself'
  if (!path.isWellFormed()) return 'must be well-formed Unicode (it holds half of a surrogate pair)'
  const names = path.split('/')
  if (names.some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES))
    return `must have names of at most ${MAX_NAME_BYTES} bytes`
  const above = names.slice(1).map((_name, index) => names.slice(0, index + 1).join('/'))
  const file = above.find((directory) => paths.has(directory))
  return file === undefined ? null : `lies below ${file}, which is a file of this source too; leave one of them out`
}

/** Where a project's files come from. */
export const SourceSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('sample'),
      name: z
        .string()
        .regex(/^[a-z0-9-]{1,64}$/)
        .optional(),
    }),
    z.strictObject({ kind: z.literal('empty') }),
    z.strictObject({ kind: z.literal('files'), files: SourceFiles }),
    z.strictObject({
      kind: z.literal('git'),
      url: GitUrl,
      ref: GitRef.optional(),
      credentialId: IdSchema.optional().describe('A stored credential for this host; left out: the newest of the host'),
      depth: z.int().min(1).max(10_000).optional().describe('Commits of history; default 50'),
    }),
    z.strictObject({
      kind: z.literal('path'),
      path: RelativePath.min(1).refine(isAbsolute, 'must be an absolute path'),
    }),
  ])
  .openapi('ProjectSource')

/** A new project. */
export const CreateProjectBody = z
  .strictObject({
    name: nonBlankText(200),
    source: SourceSchema,
    sandboxProvider: z.enum(['local-bwrap', 'e2b', 'unsafe-host']).optional(),
  })
  .openapi('NewProject')

/** What of a project changes; what is not named stays. */
export const PatchProjectBody = z.strictObject({
  name: nonBlankText(200).optional(),
  budget: ProjectBudgetBody.optional(),
})

/** A project. */
export const ProjectSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    source: z.unknown(),
    sourceReport: z
      .object({ files: z.number(), sizeBytes: z.number(), notes: z.array(z.string()) })
      .optional()
      .describe('What became of the source, once its files were brought in; notes say what was left out'),
    sandboxProvider: z.string(),
    activeTaskId: z.string().nullable(),
    budget: ProjectBudgetBody,
    createdAt: Time,
    alternativeOf: z
      .string()
      .optional()
      .describe('The project whose task this one tries again; it takes no messages of its own. Only a try has it'),
    latestSeq: z.number().optional(),
  })
  .openapi('Project')

/** Projects, a page at a time. */
export const ProjectListSchema = listOf(ProjectSchema)

function isHttpsUrl(text: string): boolean {
  if (!/^https:\/\/[^\s\p{Cc}]+$/u.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  return url.protocol === 'https:' && url.username === '' && url.password === '' && url.hostname !== ''
}
