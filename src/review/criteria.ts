import { z } from 'zod'
import { type Criteria, MAX_CHECKS, MAX_CRITERIA } from '../shared/review.ts'

const MAX_COMMAND_CHARS = 2_000

// NUL and lone surrogates cannot be stored, and a control character in a command is a mistake or an attack.
const isPlain = (text: string) => !/(?![\t\n\r])\p{Cc}|\p{Surrogate}/u.test(text)
const plainText = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine((text) => text.trim() !== '', 'must not be empty')
    .refine(isPlain, 'must not contain control characters')

const CriterionSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be 1 to 64 of a-z, 0-9 and -, not beginning with -'),
  text: plainText(2_000),
  severity: z.enum(['blocking', 'important', 'note']),
  enabled: z.boolean(),
})

const CheckSchema = z.strictObject({
  name: plainText(64),
  command: plainText(MAX_COMMAND_CHARS),
  enabled: z.boolean().optional(),
})

/**
 * What a person may set for a project's review: at most 50 criteria of 2,000 characters with unique ids, at most 20
 * checks with unique names and commands of 2,000 characters, 0 to 5 fix rounds. Issues name the item by its path.
 */
export const CriteriaUpdateSchema = z.strictObject({
  criteria: z.array(CriterionSchema).max(MAX_CRITERIA).superRefine(unique('id')),
  checks: z.array(CheckSchema).max(MAX_CHECKS).superRefine(unique('name')),
  maxFixRounds: z.number().int().min(0).max(5),
  enabled: z.boolean(),
})

/**
 * What a client may send: a {@link CriteriaUpdateSchema}, or what it got from a GET with some of it changed; the fields
 * that only the server sets are taken and dropped.
 */
export const CriteriaBodySchema = z
  .strictObject({
    ...CriteriaUpdateSchema.shape,
    criteria: z
      .array(
        CriterionSchema.extend({ precision: z.unknown().optional(), judged: z.unknown().optional() }).transform(
          ({ id, text, severity, enabled }) => ({ id, text, severity, enabled }),
        ),
      )
      .max(MAX_CRITERIA)
      .superRefine(unique('id')),
    checks: z
      .array(
        CheckSchema.extend({ source: z.unknown().optional() }).transform(({ name, command, enabled }) => ({
          name,
          command,
          enabled,
        })),
      )
      .max(MAX_CHECKS)
      .superRefine(unique('name')),
    version: z.unknown().optional(),
    proposal: z.unknown().optional(),
    leftOut: z.unknown().optional(),
    workspace: z.unknown().optional(),
  })
  .transform(({ criteria, checks, maxFixRounds, enabled }) => ({ criteria, checks, maxFixRounds, enabled }))

function unique<Key extends string>(key: Key) {
  return (items: readonly Readonly<Record<Key, string>>[], context: z.RefinementCtx): void => {
    const seen = new Set<string>()
    for (const [index, item] of items.entries()) {
      if (seen.has(item[key])) {
        context.addIssue({ code: 'custom', path: [index, key], message: `"${item[key]}" stands here twice` })
      }
      seen.add(item[key])
    }
  }
}

/** What the built-in reviewer looks for until a project says otherwise. Version 0: nobody has changed it. */
export const DEFAULT_CRITERIA: Criteria = {
  version: 0,
  criteria: [
    {
      id: 'correctness',
      text: 'The changed code does what it claims, for ordinary input and at its edges (empty, zero, one, many, missing, malformed). No input that the request makes likely leads to a wrong result, a crash or an endless wait.',
      severity: 'blocking',
      enabled: true,
    },
    {
      id: 'completeness',
      text: 'Everything that the request asks for is done, and nothing that it did not ask for was removed or broken. No part is a stub, a placeholder or left for later.',
      severity: 'blocking',
      enabled: true,
    },
    {
      id: 'tests',
      text: 'Changed behaviour is covered by a test that would fail without the change, its edge cases included, where the project has tests. No test was deleted, skipped or weakened to make it pass.',
      severity: 'blocking',
      enabled: true,
    },
    {
      id: 'security',
      text: 'The change opens no way to run, read or write what the caller should not: injection, path traversal, secrets in code or logs, missing authorisation, unsafe deserialisation.',
      severity: 'blocking',
      enabled: true,
    },
    {
      id: 'conventions',
      text: 'The change follows the names, structure and rules of the project (AGENTS.md, CLAUDE.md and neighbouring code). Matters that a formatter or linter decides are not findings.',
      severity: 'important',
      enabled: true,
    },
  ],
  checks: [],
  maxFixRounds: 2,
  enabled: true,
}
